"""Marker topic ``<prefix>_<survey>_published``: Kafka's own record of what was sent.

It has one message per batch, sent in the transaction of that batch's alerts, so a batch that has
a message was sent whole, whatever happened to the process afterwards; and one message per filter,
the latest of which names its topic. The topic is compacted, so both stay. Its name and the keys of
its messages never change: with another name, the next start would send batches a second time.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from broker.errors import LedgerError
from broker.kafka.reader import read_committed
from broker.sinks.transactions import OutgoingMessage
from broker.tables.ledger_row import FilterCount, LedgerRow
from broker.tables.stages import DISTRIBUTE, SCIENCE

TOPIC_CONFIG = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
_BATCH = "batch:"
_FILTER = "filter:"


@dataclass(frozen=True)
class SentFilter:
    """A filter's description for subscribers."""

    name: str
    topic: str
    digest: str
    description: str
    payload: str
    schema_fingerprint: str
    active: bool = True
    """Whether the filter still runs; without it the topic keeps its messages until they expire."""


@dataclass(frozen=True)
class MarkerTopic:
    """Content of the marker topic.

    Parameters
    ----------
    batches
        Key of a batch → its ledger row.
    sent_at
        Key of a batch → when Kafka stored it.
    filters
        Name of a filter → its latest description.
    """

    batches: dict[str, LedgerRow] = field(default_factory=dict)
    sent_at: dict[str, dt.datetime] = field(default_factory=dict)
    filters: dict[str, SentFilter] = field(default_factory=dict)

    def with_filters(self, now: Iterable[SentFilter]) -> MarkerTopic:
        """Content of the topic once the filters that run ``now`` were described in it."""
        return replace(self, filters=self.filters | _changes(self.filters, now))

    def successor(self, name: str) -> SentFilter | None:
        """Running filter that continues a stopped one: both have sent with the same digest.

        A filter keeps its digest when it is renamed, and may change its condition later; so any
        digest that the successor has ever sent with counts, but only the last one of ``name``.
        """
        stopped = self.filters[name]
        if stopped.active:
            return None
        counts = (count for row in self.batches.values() for count in row.by_filter)
        same = {count.name for count in counts if count.digest == stopped.digest}
        running = (self.filters[other] for other in sorted(same & self.filters.keys()))
        return next((other for other in running if other.active), None)


def batch_message(topic: str, row: LedgerRow) -> OutgoingMessage:
    """Message that marks a batch as sent."""
    record = {
        "survey": row.survey,
        "batch": row.key,
        "batch_time": row.batch_time.isoformat(),
        "seconds": row.seconds,
        "read": row.read,
        "messages": row.written,
        "filters": [vars(count) for count in row.by_filter],
    }
    return OutgoingMessage(topic, 0, f"{_BATCH}{row.key}".encode(), _json(record))


def filter_messages(
    topic: str, known: Mapping[str, SentFilter], now: Iterable[SentFilter]
) -> list[OutgoingMessage]:
    """Messages on filters that are new, have changed or have stopped."""
    return [
        OutgoingMessage(topic, 0, f"{_FILTER}{name}".encode(), _json(asdict(item)))
        for name, item in _changes(known, now).items()
    ]


def read_marker_topic(
    options: Mapping[str, str],
    topic: str,
    partitions: int,
    patience_seconds: float,
    known: Container[str] = (),
) -> MarkerTopic:
    """Read the topic up to its end.

    Parameters
    ----------
    known
        Keys of batches to leave out.

    Raises
    ------
    FatalError
        The topic cannot be read, or has a message that distribute did not write.
    """
    content = MarkerTopic()
    for message in read_committed(options, topic, partitions, patience_seconds):
        key, value = (message.key() or b"").decode(), message.value()
        if value is None or key.removeprefix(_BATCH) in known:
            continue
        try:
            _take(content, key, json.loads(value), message.timestamp()[1])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise LedgerError(
                f"topic {topic} has a message at offset {message.offset()} that distribute did "
                "not write; only distribute may write to it"
            ) from None
    return content


def _changes(known: Mapping[str, SentFilter], now: Iterable[SentFilter]) -> dict[str, SentFilter]:
    running = {item.name: item for item in now}
    gone = {
        name: replace(item, active=False)
        for name, item in known.items()
        if item.active and name not in running
    }
    return {name: item for name, item in (running | gone).items() if known.get(name) != item}


def _take(content: MarkerTopic, key: str, record: dict[str, Any], at_ms: int) -> None:
    if key.startswith(_FILTER):
        item = SentFilter(**record)
        content.filters[item.name] = item
    elif key.startswith(_BATCH):
        row = _ledger_row(record)
        content.batches[row.key] = row
        content.sent_at[row.key] = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)


def _ledger_row(record: Mapping[str, Any]) -> LedgerRow:
    return LedgerRow(
        survey=record["survey"],
        stage=DISTRIBUTE,
        key=record["batch"],
        upstream=SCIENCE,
        batch_time=dt.datetime.fromisoformat(record["batch_time"]),
        seconds=record["seconds"],
        read=record["read"],
        written=record["messages"],
        by_filter=tuple(FilterCount(**count) for count in record["filters"]),
    )


def _json(record: object) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
