"""The ledger: one row per finished batch, the only thing that says what is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from broker.errors import LedgerError
from broker.storage import Storage


@dataclass(frozen=True)
class OffsetRange:
    """Offsets ``[start, until)`` of one partition; ``end`` is where the broker ended then."""

    topic: str
    partition: int
    start: int
    until: int
    end: int


@dataclass(frozen=True)
class NightCount:
    """What a batch did to one night; ``repeats_that_differ`` are among the ``repeats``."""

    night: int
    written: int = 0
    quarantined: int = 0
    repeats: int = 0
    repeats_that_differ: int = 0


@dataclass(frozen=True)
class FilterCount:
    """Messages that one filter sent; ``digest`` identifies its text."""

    name: str
    digest: str
    matched: int


@dataclass(frozen=True)
class ModuleCount:
    """Time that a science module took over all workers, and alerts on which it failed."""

    name: str
    version: str
    seconds: float
    failures: int


@dataclass(frozen=True)
class ReasonCount:
    """Packets quarantined for one reason."""

    reason: str
    packets: int


@dataclass(frozen=True)
class LedgerRow:
    """One finished batch of one stage."""

    survey: str
    stage: str
    key: str
    batch_time: dt.datetime
    seconds: float
    read: int
    written: int
    upstream: str | None = None
    quarantined: int = 0
    repeats: int = 0
    repeats_that_differ: int = 0
    bytes_read: int = 0
    offsets: tuple[OffsetRange, ...] = ()
    by_night: tuple[NightCount, ...] = ()
    by_reason: tuple[ReasonCount, ...] = ()
    by_filter: tuple[FilterCount, ...] = ()
    by_module: tuple[ModuleCount, ...] = field(default=())


@dataclass(frozen=True)
class Commit:
    """A committed batch, and when it was committed (seconds since 1970)."""

    row: LedgerRow
    at: float


def _struct(**types: pa.DataType) -> pa.DataType:
    return pa.list_(pa.struct([pa.field(name, kind) for name, kind in types.items()]))


# `from` and `until` are Kafka's half-open range; Python's keyword makes it `start` in OffsetRange.
LEDGER_SCHEMA = pa.schema(
    [
        ("survey", pa.string()),
        ("stage", pa.string()),
        ("key", pa.string()),
        ("upstream", pa.string()),
        (
            "offsets",
            _struct(
                **{
                    "topic": pa.string(),
                    "partition": pa.int32(),
                    "from": pa.int64(),
                    "until": pa.int64(),
                    "end": pa.int64(),
                }
            ),
        ),
        ("read", pa.int64()),
        ("written", pa.int64()),
        ("quarantined", pa.int64()),
        ("repeats", pa.int64()),
        ("repeats_that_differ", pa.int64()),
        ("bytes_read", pa.int64()),
        (
            "by_night",
            _struct(
                night=pa.int32(),
                written=pa.int64(),
                quarantined=pa.int64(),
                repeats=pa.int64(),
                repeats_that_differ=pa.int64(),
            ),
        ),
        ("by_reason", _struct(reason=pa.string(), packets=pa.int64())),
        ("by_filter", _struct(name=pa.string(), digest=pa.string(), matched=pa.int64())),
        (
            "by_module",
            _struct(
                name=pa.string(), version=pa.string(), seconds=pa.float64(), failures=pa.int64()
            ),
        ),
        ("batch_time", pa.timestamp("us", tz="UTC")),
        ("seconds", pa.float64()),
    ]
)

_NESTED = {
    "by_night": NightCount,
    "by_reason": ReasonCount,
    "by_filter": FilterCount,
    "by_module": ModuleCount,
}


def to_table(row: LedgerRow) -> pa.Table:
    """One-row table of `LEDGER_SCHEMA`."""
    record = {item.name: getattr(row, item.name) for item in fields(row)}
    record["offsets"] = [
        {
            "topic": span.topic,
            "partition": span.partition,
            "from": span.start,
            "until": span.until,
            "end": span.end,
        }
        for span in row.offsets
    ]
    for name in _NESTED:
        record[name] = [vars(item) for item in record[name]]
    return pa.Table.from_pylist([record], schema=LEDGER_SCHEMA)


def from_table(table: pa.Table) -> list[LedgerRow]:
    """Rows of a table of `LEDGER_SCHEMA`."""
    rows = []
    for record in table.select(LEDGER_SCHEMA.names).to_pylist():
        record["offsets"] = tuple(
            OffsetRange(s["topic"], s["partition"], s["from"], s["until"], s["end"])
            for s in record["offsets"]
        )
        for name, kind in _NESTED.items():
            record[name] = tuple(kind(**item) for item in record[name])
        rows.append(LedgerRow(**record))
    return rows


class Ledger:
    """The committed batches of one survey.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

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
        return self._storage.exists(self.path(stage, key))

    def row(self, stage: str, key: str) -> LedgerRow:
        """Row of one committed batch."""
        return self._read(self.path(stage, key))

    def rows(self, stage: str) -> list[LedgerRow]:
        """Rows of all committed batches of a stage, by batch time, then key."""
        rows = self.some_rows(stage, self.keys(stage)).values()
        return sorted(rows, key=lambda row: (row.batch_time, row.key))

    def some_rows(self, stage: str, keys: Collection[str]) -> dict[str, LedgerRow]:
        """Key → row of some committed batches, by key."""
        keys = sorted(keys)
        if not keys:
            return {}
        # Together: one by one, the files of a year take minutes.
        files = ds.dataset(
            [self._storage.path(self.path(stage, key)) for key in keys],
            schema=LEDGER_SCHEMA,
            filesystem=self._storage.filesystem,
            format="parquet",
        )
        rows = from_table(files.to_table())
        if [row.key for row in rows] != keys:  # one by one, the file that is wrong is named
            rows = [self.row(stage, key) for key in keys]
        return dict(zip(keys, rows, strict=True))

    def _read(self, path: str) -> LedgerRow:
        table = pq.read_table(
            self._storage.path(path), filesystem=self._storage.filesystem, partitioning=None
        )
        if table.num_rows != 1:
            raise LedgerError(
                f"{self._storage.uri(path)} has {table.num_rows} rows instead of 1; "
                "restore it from a backup before going on"
            )
        return from_table(table)[0]
