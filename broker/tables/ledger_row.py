"""Ledger row: one finished batch, as an object and as a row of Parquet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pyarrow as pa

from broker.kafka.positions import KafkaPosition, TopicPartition
from broker.tables.ledger_schema import LEDGER_SCHEMA


@dataclass(frozen=True)
class OffsetRange:
    """Offsets ``[start, until)`` of one partition; ``end`` is where the broker ended then."""

    topic: str
    partition: int
    start: int
    until: int
    end: int

    @property
    def source(self) -> TopicPartition:
        """Partition that was read."""
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True)
class NightCount:
    """Rows of one night in a batch; ``repeats`` are duplicates, some of which may differ."""

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

    def positions(self) -> Iterator[KafkaPosition]:
        """Kafka position of every offset in the row's ranges."""
        for span in self.offsets:
            for offset in range(span.start, span.until):
                yield KafkaPosition(span.topic, span.partition, offset)


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
        for name, count in _NESTED.items():
            record[name] = tuple(count(**item) for item in record[name])
        rows.append(LedgerRow(**record))
    return rows


def offset_ranges(ranges: Iterable[Mapping[str, Any]]) -> Iterator[OffsetRange]:
    """Ranges that the column ``offsets`` holds for one row."""
    for item in ranges:
        yield OffsetRange(
            item["topic"], item["partition"], item["from"], item["until"], item["end"]
        )
