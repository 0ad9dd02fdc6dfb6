"""The ledger: one row per finished batch, the only thing that says what is done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from broker.errors import LedgerError
from broker.sinks.folded_rows import FoldedRows
from broker.sinks.ledger_row import LEDGER_SCHEMA, LedgerRow, OffsetRange, from_table, offset_ranges
from broker.storage import Storage


@dataclass(frozen=True)
class Commit:
    """A committed batch, and when it was committed (seconds since 1970)."""

    row: LedgerRow
    at: float


class Ledger:
    """The committed batches of one survey: each has a file of its own until it is folded.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._folded = FoldedRows(storage)

    @staticmethod
    def folder(stage: str) -> str:
        """Folder of a stage's rows."""
        return f"ledger/stage={stage}"

    @classmethod
    def path(cls, stage: str, key: str) -> str:
        """File of one batch's row."""
        return f"{cls.folder(stage)}/{key}.parquet"

    def keys(self, stage: str) -> list[str]:
        """Keys of all committed batches of a stage, sorted."""
        return sorted(self.commit_times(stage))

    def commit_times(self, stage: str) -> dict[str, float]:
        """Key of each committed batch of a stage, and when it was committed."""
        own = self.unfolded(stage)  # first: what is folded meanwhile is then in both
        return self._folded.times(stage) | own

    def unfolded(self, stage: str) -> dict[str, float]:
        """Key of each batch with a file of its own, and when it was committed."""
        return {
            name.removesuffix(".parquet"): at
            for name, at in self._storage.times(self.folder(stage)).items()
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
        has_file = self._storage.exists(self.path(stage, key))
        return has_file or key in self._folded.times(stage)

    def row(self, stage: str, key: str) -> LedgerRow:
        """Row of one committed batch."""
        return self.some_rows(stage, [key])[key]

    def rows(self, stage: str) -> list[LedgerRow]:
        """Rows of all committed batches of a stage, by batch time, then key."""
        rows = self.some_rows(stage, self.keys(stage)).values()
        return sorted(rows, key=lambda row: (row.batch_time, row.key))

    def some_rows(self, stage: str, keys: Collection[str]) -> dict[str, LedgerRow]:
        """Key → row of some committed batches, by key."""
        rows = self._folded.rows(stage, keys)
        left = sorted(set(keys) - rows.keys())
        try:
            own = from_table(self._own_table(stage, left)) if left else []
        except FileNotFoundError:
            if self._folded.times(stage).keys().isdisjoint(left):
                raise
            return self.some_rows(stage, keys)  # some were folded in between
        rows |= zip(left, own, strict=True)
        return dict(sorted(rows.items()))

    def offsets(self, stage: str) -> Iterator[OffsetRange]:
        """Ranges that all committed batches of a stage have read, in no order."""
        try:
            own = self._own_table(stage, sorted(self.unfolded(stage)), ["key", "offsets"])
        except FileNotFoundError:
            yield from self.offsets(stage)  # some were folded in between
            return
        for table in (own, *self._folded.tables(stage, ["offsets"])):
            for ranges in table["offsets"].to_pylist():
                yield from offset_ranges(ranges)

    def fold(self, stage: str, keys: Collection[str]) -> None:
        """Put rows into one file, and remove the files that they had.

        Killed in between, some rows are in both, which is the same row once; folding them again
        removes what is left. Call it in one process at a time.

        Raises
        ------
        LedgerError
            A file holds another row than its name says.
        """
        fresh = sorted(set(keys) - self._folded.times(stage).keys())
        if fresh:
            rows = self._own_table(stage, fresh)
            for key, found in zip(fresh, rows["key"].to_pylist(), strict=True):
                if key != found:
                    raise LedgerError(
                        f"{self._storage.uri(self.path(stage, key))} holds the row of batch "
                        f"{found}; restore it from a backup before going on"
                    )
            self._folded.add(stage, rows)
        for key in keys:
            self._storage.delete(self.path(stage, key))

    def _own_table(
        self, stage: str, keys: list[str], columns: Sequence[str] = LEDGER_SCHEMA.names
    ) -> pa.Table:
        """Rows in files of their own, in the order of their sorted keys."""
        paths = [self.path(stage, key) for key in keys]
        # Together: one by one, the files of a year take minutes.
        files = ds.dataset(
            [self._storage.path(path) for path in paths],
            schema=LEDGER_SCHEMA,
            filesystem=self._storage.filesystem,
            format="parquet",
        )
        table = files.to_table(columns=[*columns])
        if table["key"].to_pylist() != keys:  # one by one, the file that is wrong is named
            table = pa.concat_tables([self._read(path) for path in paths])
        return table

    def _read(self, path: str) -> pa.Table:
        table = pq.read_table(
            self._storage.path(path), filesystem=self._storage.filesystem, partitioning=None
        )
        if table.num_rows != 1:
            raise LedgerError(
                f"{self._storage.uri(path)} has {table.num_rows} rows instead of 1; "
                "restore it from a backup before going on"
            )
        return table
