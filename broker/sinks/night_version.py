"""A night of the archive is replaced, or added to, in the steps that every write takes.

*Stage* files of the night's tables, *seal* them with the row that the ledger will get, *publish*
them (the night's folder is exchanged for the staged one, or one further file is moved into it),
*commit* the row. What is replaced moves to ``versions/``. File names begin with the version and
never come again, so a reader who has listed a night opens files of that night as it was, or finds
them gone and lists again.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker.sinks.faults import fault_point
from broker.tables.closed_nights import ClosedNight, ClosedNights, to_table
from broker.tables.files import version_of
from broker.tables.layout import (
    ARCHIVE,
    SEAL,
    closed_night_path,
    night_folder,
    staging_folder,
    version_folder,
)
from broker.tables.stages import ARCHIVE as ARCHIVE_STAGE
from broker.tables.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_STAGING = staging_folder(ARCHIVE_STAGE)
# Several row groups a file, each small enough that skipping all but one pays.
_ROW_GROUP_BYTES = 16 * 1024 * 1024
# Ids are spread all over a table that is sorted by sky; a filter per row group finds them.
_LOOKED_UP = ("alert_id", "object_id")
_IDS_PER_ROW_GROUP = 20_000


@dataclass(frozen=True)
class NightVersion:
    """One try at a further state of a night; file names begin with `version`."""

    storage: Storage
    night: int
    key: str
    version: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def folder(self) -> str:
        """Folder of everything unfinished of this try."""
        return f"{_STAGING}/{self.night}-{self.key}.{self.version}"

    def table_folder(self, table: str) -> str:
        """Folder of a staged table."""
        return f"{self.folder}/{table}"

    def stage(self, rows: DataFrame, table: str) -> None:
        """Write rows, sorted within their partitions, as a file each."""
        writer = rows.write.option("parquet.block.size", _ROW_GROUP_BYTES)
        for name in _LOOKED_UP:
            # Without a dictionary, or no Bloom filter would be written.
            writer = (
                writer.option(f"parquet.enable.dictionary#{name}", "false")
                .option(f"parquet.bloom.filter.enabled#{name}", "true")
                .option(f"parquet.bloom.filter.expected.ndv#{name}", _IDS_PER_ROW_GROUP)
            )
        folder = self.table_folder(table)
        writer.parquet(self.storage.uri(folder))
        names = [name for name in self.storage.names(folder) if name.endswith(".parquet")]
        for number, name in enumerate(names):
            self.storage.move(f"{folder}/{name}", f"{folder}/{self.version}-{number:05d}.parquet")

    def files(self, table: str) -> list[str]:
        """Paths of a table's staged files."""
        folder = self.table_folder(table)
        return [f"{folder}/{name}" for name in self.storage.names(folder)]

    def seal(self, row: ClosedNight) -> None:
        """Declare the staged tables final."""
        self.storage.write_table(to_table(row), f"{self.folder}/{SEAL}")

    @property
    def sealed(self) -> ClosedNight | None:
        """Row of a sealed try; None before."""
        path = f"{self.folder}/{SEAL}"
        return ClosedNights(self.storage).read(path) if self.storage.exists(path) else None

    def publish(self, row: ClosedNight) -> None:
        """Put the staged tables where readers look; does what is left of it."""
        for table in ARCHIVE:
            if row.kind == "late":
                self._add(table)
            else:
                self._replace(table)
            fault_point(ARCHIVE_STAGE, "mid_publish")

    def commit(self) -> None:
        """Move the row into the ledger and drop what is left of the staged folder."""
        self.storage.move(f"{self.folder}/{SEAL}", closed_night_path(self.night, self.key))
        fault_point(ARCHIVE_STAGE, "after_commit")
        self.discard()

    def discard(self) -> None:
        """Delete everything of this try."""
        self.storage.delete(self.folder)

    def _add(self, table: str) -> None:
        target = night_folder(ARCHIVE[table], self.night)
        for file in self.files(table):
            self.storage.move(file, f"{target}/{file.rpartition('/')[2]}")

    def _replace(self, table: str) -> None:
        staged, aside = self.table_folder(table), f"{self.folder}/{table}.old"
        target = night_folder(ARCHIVE[table], self.night)
        if self._is_ours(staged):
            if not self.storage.exists(target):
                self.storage.move(staged, target)
            elif not self.storage.exchange(staged, target):
                self.storage.move(target, aside)
                fault_point(ARCHIVE_STAGE, "mid_exchange")
                self.storage.move(staged, target)
            fault_point(ARCHIVE_STAGE, "after_exchange")
        for replaced in (staged, aside):
            if self.storage.exists(replaced):
                self.storage.move(replaced, self._kept(table))

    def _is_ours(self, folder: str) -> bool:
        return any(version_of(name) == self.version for name in self.storage.names(folder))

    def _kept(self, table: str) -> str:
        """Folder that keeps the state before this one."""
        return version_folder(table, self.night, f"{int(self.key) - 1:06d}")


def finish(attempt: NightVersion, row: ClosedNight) -> None:
    """Seal, publish and commit a staged night."""
    fault_point(ARCHIVE_STAGE, "after_stage")
    attempt.seal(row)
    fault_point(ARCHIVE_STAGE, "after_seal")
    attempt.publish(row)
    fault_point(ARCHIVE_STAGE, "before_commit")
    attempt.commit()


def recover(storage: Storage) -> list[int]:
    """Finish sealed nights, delete the rest of what is in staging; the finished nights."""
    finished = []
    for name in storage.names(_STAGING):
        night, _, rest = name.partition("-")
        key, _, version = rest.partition(".")
        attempt = NightVersion(storage, int(night), key, version) if version else None
        row = attempt.sealed if attempt else None
        if attempt is None or row is None:
            storage.delete(f"{_STAGING}/{name}")
        elif key in ClosedNights(storage).keys(row.night):
            attempt.discard()
        else:
            attempt.publish(row)
            attempt.commit()
            finished.append(row.night)
    return finished


def remove(storage: Storage, folders: list[str]) -> None:
    """Take finished folders from readers, each at one stroke, and delete them.

    Call it under the archive's lock: what it leaves when it is killed, `recover` deletes.
    """
    bin_ = f"{_STAGING}/removed"
    for number, folder in enumerate(folders):
        storage.move(folder, f"{bin_}/{number}-{uuid.uuid4().hex[:8]}")
        fault_point(ARCHIVE_STAGE, "mid_remove")
    storage.delete(bin_)
