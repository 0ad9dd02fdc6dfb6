"""Ledger of closed nights: the batches that the archive has taken, with rows and checksums."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import Literal

import pyarrow as pa

from broker.errors import LedgerError
from broker.tables.layout import (
    CLOSED_NIGHTS,
    closed_night_folder,
    closed_night_path,
    night_of,
)
from broker.tables.storage import Storage

Kind = Literal["closed", "late", "merged", "reprocessed"]


@dataclass(frozen=True)
class Content:
    """Rows and a checksum of their alert ids, whatever their order."""

    rows: int = 0
    ids: int = 0

    def __add__(self, other: Content) -> Content:
        total = (self.ids + other.ids) % 2**64
        return Content(self.rows + other.rows, total)


@dataclass(frozen=True)
class TakenBatch:
    """Rows of one batch that the archive took into one night, and when it did so first."""

    key: str
    raw: Content
    science: Content
    taken_at: dt.datetime


@dataclass(frozen=True)
class ClosedNight:
    """One state of an archived night; the one with the largest key is in force.

    Parameters
    ----------
    key
        Number of the state, ``000001`` the first.
    version
        Beginning of the names of the files that came with this state.
    kind
        ``closed`` for the first time, ``late`` batches added as files, ``merged`` with the others,
        ``reprocessed``.
    batches
        All batches in the night's folders.
    late_rows
        Raw rows in files that were added since all was last written together.
    modules
        Science modules of this state's science rows, ``name version``.
    """

    survey: str
    night: int
    key: str
    version: str
    kind: Kind
    batches: tuple[TakenBatch, ...]
    late_rows: int
    modules: tuple[str, ...]
    closed_at: dt.datetime
    seconds: float

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the batches that are in the archive."""
        return frozenset(batch.key for batch in self.batches)

    @property
    def raw(self) -> Content:
        """All raw rows of the night."""
        return sum((batch.raw for batch in self.batches), Content())

    @property
    def science(self) -> Content:
        """All science rows of the night."""
        return sum((batch.science for batch in self.batches), Content())


_CONTENT = pa.struct([("rows", pa.int64()), ("ids", pa.uint64())])
_INSTANT = pa.timestamp("us", tz="UTC")
_BATCH = pa.struct(
    [("key", pa.string()), ("raw", _CONTENT), ("science", _CONTENT), ("taken_at", _INSTANT)]
)
CLOSED_SCHEMA = pa.schema(
    [
        ("survey", pa.string()),
        ("night", pa.int32()),
        ("key", pa.string()),
        ("version", pa.string()),
        ("kind", pa.string()),
        ("batches", pa.list_(_BATCH)),
        ("late_rows", pa.int64()),
        ("modules", pa.list_(pa.string())),
        ("closed_at", _INSTANT),
        ("seconds", pa.float64()),
    ]
)


def to_table(row: ClosedNight) -> pa.Table:
    """One-row table of `CLOSED_SCHEMA`."""
    record = {item.name: getattr(row, item.name) for item in fields(row)}
    record["batches"] = [
        {**vars(batch), "raw": vars(batch.raw), "science": vars(batch.science)}
        for batch in row.batches
    ]
    return pa.Table.from_pylist([record], schema=CLOSED_SCHEMA)


def from_table(table: pa.Table) -> ClosedNight:
    """The row of a one-row table of `CLOSED_SCHEMA`."""
    (record,) = table.select(CLOSED_SCHEMA.names).to_pylist()
    record["batches"] = tuple(
        TakenBatch(b["key"], Content(**b["raw"]), Content(**b["science"]), b["taken_at"])
        for b in record["batches"]
    )
    record["modules"] = tuple(record["modules"])
    return ClosedNight(**record)


class ClosedNights:
    """The closed nights of one survey.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def nights(self) -> list[int]:
        """All nights that are closed, in order."""
        return [night_of(name) for name in self._storage.names(CLOSED_NIGHTS)]

    def keys(self, night: int) -> list[str]:
        """Keys of all states that a night has had, oldest first."""
        names = self._storage.names(closed_night_folder(night))
        return [name.removesuffix(".parquet") for name in names if name.endswith(".parquet")]

    def current(self, night: int) -> ClosedNight | None:
        """State of a night that is in force; None while it is not closed."""
        keys = self.keys(night)
        return self.state(night, keys[-1]) if keys else None

    def state(self, night: int, key: str) -> ClosedNight:
        """One state that a night has, or has had."""
        return self.read(closed_night_path(night, key))

    def next_key(self, night: int) -> str:
        """Key of the night's next state."""
        keys = self.keys(night)
        return f"{int(keys[-1]) + 1 if keys else 1:06d}"

    def read(self, path: str) -> ClosedNight:
        """State in a file."""
        table = self._storage.read_table(path)
        if table.num_rows != 1:
            raise LedgerError(
                f"{self._storage.uri(path)} has {table.num_rows} rows instead of 1; "
                "restore it from a backup before going on"
            )
        return from_table(table)
