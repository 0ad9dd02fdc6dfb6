"""Stage, seal, publish, commit: the one way in which anything is written.

*Stage*: a batch's tables are written under ``staging/``, where no reader looks. *Seal*: the ledger
row is renamed into the staged folder; from here on the batch is never computed again. *Publish*:
each night's folder is renamed into its table. *Commit*: the row is renamed into the ledger. Killed
at any point, the next start finishes what is sealed and deletes what is not, so a reader sees
whole batches only, and each once.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc

from broker.errors import PublishError
from broker.sinks.faults import fault_point
from broker.tables.files import files_in, rows_in
from broker.tables.layout import (
    AREAS,
    SEAL,
    batch_folder,
    ledger_path,
    night_folder,
    nights_in,
    staging_folder,
)
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow, to_table
from broker.tables.read_arrow import Columns, read_files
from broker.tables.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType


@dataclass(frozen=True)
class Attempt:
    """One try at writing one batch; its folder is its own, so a zombie's files stay apart."""

    storage: Storage
    stage: str
    key: str
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def folder(self) -> str:
        """Folder of everything unfinished of this attempt."""
        return f"{staging_folder(self.stage)}/{self.key}.{self.run}"

    def stage_table(self, rows: DataFrame, table: str) -> None:
        """Write rows, which have a column ``night``, to the staged table; further calls add."""
        writer = rows.write.mode("append").partitionBy("night")
        if any(_binary(rows.schema)):
            # Cutouts and packets make up nearly all of it: dictionaries for the rest would save
            # nothing, at a quarter of the time.
            writer = writer.option("parquet.enable.dictionary", "false")
        writer.parquet(self.storage.uri(self.table_folder(table)))

    def table_folder(self, table: str) -> str:
        """Folder below the survey's root of a staged table."""
        return f"{self.folder}/{table}"

    def rows_by_night(self, table: str) -> dict[int, int]:
        """Rows staged for each night, from the files' footers."""
        counts = {}
        for night in self._nights(table):
            files = files_in(self.storage, night_folder(self.table_folder(table), night))
            counts[night] = sum(rows_in(self.storage, file) for file in files)
        return counts

    def count_by(self, table: str, column: str) -> dict[str, int]:
        """Rows staged for each value of a text column."""
        staged = self.columns_of(table, {column: (pc.field(column), pa.string())})
        counts = staged[column].value_counts().to_pylist()
        return {item["values"]: item["counts"] for item in counts}

    def columns_of(self, table: str, columns: Columns) -> pa.Table:
        """Columns of all staged rows."""
        folders = [night_folder(self.table_folder(table), night) for night in self._nights(table)]
        files = [file for folder in folders for file in files_in(self.storage, folder)]
        return read_files(self.storage, files, columns)

    def _nights(self, table: str) -> list[int]:
        return nights_in(self.storage.names(self.table_folder(table)))

    def discard(self) -> None:
        """Delete everything of this attempt."""
        self.storage.delete(self.folder)

    def seal(self, row: LedgerRow) -> None:
        """Declare the staged tables final."""
        self.storage.write_table(to_table(row), f"{self.folder}/{SEAL}")

    @property
    def is_sealed(self) -> bool:
        """Whether the batch may never be computed again."""
        return self.storage.exists(f"{self.folder}/{SEAL}")

    def publish(self) -> None:
        """Move each staged night to its table."""
        for table, area in AREAS.items():
            for night in self._nights(table):
                self.storage.move(
                    night_folder(self.table_folder(table), night),
                    batch_folder(area, night, self.key),
                )
                fault_point(self.stage, "mid_publish")

    def commit(self) -> None:
        """Move the row into the ledger and drop what is left of the staged folder."""
        self.storage.move(f"{self.folder}/{SEAL}", ledger_path(self.stage, self.key))
        fault_point(self.stage, "after_commit")
        self.discard()


def _binary(schema: StructType) -> Iterator[bool]:
    """Whether each column holds bytes, or a struct with some."""
    for column in schema.fields:
        kind = column.dataType
        if kind.typeName() == "struct":
            yield any(_binary(cast("StructType", kind)))
        else:
            yield kind.typeName() == "binary"


class Publisher:
    """Writes the batches of one stage; call `recover` once before the first batch.

    Parameters
    ----------
    storage
        The survey's folder.
    stage
        Stage name, as in the ledger.
    """

    def __init__(self, storage: Storage, stage: str) -> None:
        self.storage = storage
        self.stage = stage
        self.ledger = Ledger(storage)

    def recover(self) -> list[str]:
        """Finish sealed batches, delete the rest; keys of the batches that were finished."""
        finished = []
        for name in self.storage.names(staging_folder(self.stage)):
            key, _, run = name.rpartition(".")
            attempt = Attempt(self.storage, self.stage, key, run)
            if attempt.is_sealed and not self.ledger.has(self.stage, key):
                attempt.publish()
                attempt.commit()
                finished.append(key)
            else:
                attempt.discard()
        return finished

    def attempt(self, key: str) -> Attempt:
        """A fresh staging folder for a batch.

        Raises
        ------
        PublishError
            The batch is committed already.
        """
        if self.ledger.has(self.stage, key):
            raise PublishError(f"batch {key} of stage {self.stage} is committed already")
        fault_point(self.stage, "before_stage")
        return Attempt(self.storage, self.stage, key)

    def finish(self, attempt: Attempt, row: LedgerRow) -> None:
        """Seal, publish and commit a staged batch."""
        fault_point(self.stage, "after_stage")
        attempt.seal(row)
        fault_point(self.stage, "after_seal")
        attempt.publish()
        fault_point(self.stage, "before_commit")
        attempt.commit()
