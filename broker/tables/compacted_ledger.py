"""Compacted ledger: rows of old batches, thousands per file, so that followers list few files."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from broker.tables.layout import compacted_folder
from broker.tables.ledger_row import LedgerRow, from_table
from broker.tables.ledger_schema import LEDGER_SCHEMA
from broker.tables.storage import Storage


class CompactedLedger:
    """Files of many rows; none ever changes or goes.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, dict[str, float]] = {}

    def has(self, stage: str, key: str) -> bool:
        """Whether a batch is compacted."""
        return any(key in self._times_in(path) for path in self._files(stage))

    def times(self, stage: str) -> dict[str, float]:
        """Key of each compacted batch → when it was committed, about: start plus duration."""
        found: dict[str, float] = {}
        for path in self._files(stage):
            found |= self._times_in(path)
        return found

    def rows(self, stage: str, keys: Collection[str]) -> dict[str, LedgerRow]:
        """Key → row of those batches that are compacted."""
        wanted = frozenset(keys)
        files = [p for p in self._files(stage) if not self._times_in(p).keys().isdisjoint(wanted)]
        is_wanted = pc.field("key").isin(sorted(wanted))
        tables = [self._storage.read_table(p, LEDGER_SCHEMA.names, is_wanted) for p in files]
        return {row.key: row for table in tables for row in from_table(table)}

    def tables(
        self, stage: str, columns: Sequence[str], chosen: pc.Expression
    ) -> Iterator[pa.Table]:
        """Columns of the compacted rows that are chosen, file by file."""
        for path in self._files(stage):
            yield self._storage.read_table(path, columns, chosen)

    def add(self, stage: str, rows: pa.Table) -> None:
        """Write rows, a table of `LEDGER_SCHEMA`, into a file of their own, power cut or not."""
        path = f"{compacted_folder(stage)}/{uuid.uuid4().hex}.parquet"
        self._storage.write_table(rows, path)
        self._storage.sync(path)

    def _files(self, stage: str) -> list[str]:
        folder = compacted_folder(stage)
        return [f"{folder}/{n}" for n in self._storage.names(folder) if not n.startswith(".")]

    def _times_in(self, path: str) -> dict[str, float]:
        if path not in self._known:
            table = self._storage.read_table(path, ["key", "batch_time", "seconds"])
            begun = pc.divide(table["batch_time"].cast("int64").cast("float64"), 1e6)
            ended = pc.add(begun, table["seconds"]).to_pylist()
            self._known[path] = dict(zip(table["key"].to_pylist(), ended, strict=True))
        return self._known[path]
