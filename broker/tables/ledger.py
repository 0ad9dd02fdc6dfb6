"""The ledger: one row per finished batch, the only thing that says what is done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from broker.errors import LedgerError
from broker.tables.compacted_ledger import CompactedLedger
from broker.tables.files import retry_while_replaced
from broker.tables.layout import ledger_folder, ledger_path
from broker.tables.ledger_row import (
    LedgerRow,
    OffsetRange,
    from_table,
    offset_ranges,
)
from broker.tables.ledger_schema import LEDGER_SCHEMA
from broker.tables.storage import Storage

# Rows that become Python's objects together.
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Commit:
    """A committed batch, and when it was committed (seconds since 1970)."""

    row: LedgerRow
    at: float


class Ledger:
    """The committed batches of one survey: each has a file of its own until it is compacted.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._compacted = CompactedLedger(storage)

    def keys(self, stage: str) -> list[str]:
        """Keys of all committed batches of a stage, sorted."""
        return sorted(self.commit_times(stage))

    def commit_times(self, stage: str) -> dict[str, float]:
        """Key of each committed batch of a stage, and when it was committed."""
        own = self.uncompacted(stage)  # first: what is compacted meanwhile is then in both
        return self._compacted.times(stage) | own

    def uncompacted(self, stage: str) -> dict[str, float]:
        """Key of each batch with a file of its own, and when it was committed."""
        return {
            name.removesuffix(".parquet"): at
            for name, at in self._storage.times(ledger_folder(stage)).items()
            # Spark, which follows these folders, leaves hidden files out too.
            if name.endswith(".parquet") and not name.startswith(".")
        }

    def waiting(self, stage: str, upstream: Sequence[str]) -> list[Commit]:
        """Batches of the upstream stages that a stage has not done yet."""
        done = self.commit_times(stage).keys()
        left = []
        for before in upstream:
            times = self.commit_times(before)
            rows = self.some_rows(before, times.keys() - done)
            left += [Commit(row, times[key]) for key, row in rows.items()]
        return left

    def has(self, stage: str, key: str) -> bool:
        """Whether a batch is committed."""
        has_file = self._storage.exists(ledger_path(stage, key))  # first, as above
        return has_file or self._compacted.has(stage, key)

    def row(self, stage: str, key: str) -> LedgerRow:
        """Row of one committed batch."""
        return self.some_rows(stage, [key])[key]

    def rows(self, stage: str) -> list[LedgerRow]:
        """Rows of all committed batches of a stage, by batch time, then key."""
        rows = self.some_rows(stage, self.keys(stage)).values()
        return sorted(rows, key=lambda row: (row.batch_time, row.key))

    def some_rows(self, stage: str, keys: Collection[str]) -> dict[str, LedgerRow]:
        """Key → row of some committed batches, by key."""
        rows: dict[str, LedgerRow] = {}
        own = sorted(keys)
        while own:
            try:
                rows |= zip(own, from_table(self._own_table(stage, own)), strict=True)
                break
            except FileNotFoundError:
                compacted = self._compacted.rows(stage, own)
                if not compacted:
                    raise
                rows |= compacted
                own = sorted(set(own) - compacted.keys())
        return dict(sorted(rows.items()))

    def offsets(self, stage: str) -> Iterator[OffsetRange]:
        """Ranges that all committed batches of a stage have read, by batch time, then key."""
        columns = ["batch_time", "key", "offsets"]
        by_time = [("batch_time", "ascending"), ("key", "ascending")]
        own = retry_while_replaced(
            lambda: self._own_table(stage, sorted(self.uncompacted(stage)), columns)
        )
        compacted_since = pc.field("key").isin(own["key"].combine_chunks())
        rows = pa.concat_tables([own, *self._compacted.tables(stage, columns, ~compacted_since)])
        for batch in rows.sort_by(by_time).to_batches(max_chunksize=_AT_ONCE):
            for ranges in batch.column("offsets").to_pylist():
                yield from offset_ranges(ranges)

    def compact(self, stage: str, keys: Collection[str]) -> None:
        """Put rows into one file, and remove the files that they had.

        Killed in between, some rows are in both, which is the same row once; compacting them again
        removes what is left. Call it in one process at a time.
        """
        fresh = sorted(set(keys) - self._compacted.times(stage).keys())
        if fresh:
            self._compacted.add(stage, self._own_table(stage, fresh))
        for key in keys:
            self._storage.delete(ledger_path(stage, key))

    def _own_table(
        self, stage: str, keys: list[str], columns: Sequence[str] = LEDGER_SCHEMA.names
    ) -> pa.Table:
        """Rows in files of their own, in the order of their sorted keys.

        Raises
        ------
        FileNotFoundError
            A batch has no file of its own.
        LedgerError
            A file holds something else than its name says.
        """
        # Together: one by one, the files of a year take minutes.
        files = ds.dataset(
            [self._storage.path(ledger_path(stage, key)) for key in keys],
            schema=LEDGER_SCHEMA,
            filesystem=self._storage.filesystem,
            format="parquet",
        )
        table = files.to_table(columns=[*columns])
        if table["key"].to_pylist() != keys:
            self._name_what_is_wrong(stage, keys)
        return table

    def _name_what_is_wrong(self, stage: str, keys: list[str]) -> None:
        for key in keys:
            path = ledger_path(stage, key)
            found = self._storage.read_table(path, ["key"])["key"].to_pylist()
            if found != [key]:
                raise LedgerError(
                    f"{self._storage.uri(path)} holds rows of the batches {found} instead of its "
                    "own; restore it from a backup before going on"
                )
