"""What the ledger says of one batch, and how it looks in Parquet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pyarrow as pa


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
        record["offsets"] = tuple(offset_ranges(record["offsets"]))
        for name, kind in _NESTED.items():
            record[name] = tuple(kind(**item) for item in record[name])
        rows.append(LedgerRow(**record))
    return rows


def offset_ranges(ranges: Iterable[Mapping[str, Any]]) -> Iterator[OffsetRange]:
    """What the column ``offsets`` holds for one row."""
    for item in ranges:
        yield OffsetRange(
            item["topic"], item["partition"], item["from"], item["until"], item["end"]
        )
