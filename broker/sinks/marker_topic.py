"""What has been published, told by Kafka itself: the topic ``<prefix>_<survey>_published``.

It has one message per batch, sent in the transaction of that batch's alerts, so a batch that is
named here was sent whole, whatever became of the process; and one message per filter, the latest
of which says what its topic is. The topic is compacted, so both stay.
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
    """A filter as its subscribers know it."""

    name: str
    topic: str
    digest: str
    description: str
    payload: str
    schema_fingerprint: str
    active: bool = True
    """Whether the filter still runs; the topic stays until it has expired."""


@dataclass(frozen=True)
class MarkerTopic:
    """All that the topic tells.

    Parameters
    ----------
    batches
        Key of a batch → its ledger row.
    sent_at
        Key of a batch → when Kafka took it.
    filters
        Name of a filter → its latest description.
    """

    batches: dict[str, LedgerRow] = field(default_factory=dict)
    sent_at: dict[str, dt.datetime] = field(default_factory=dict)
    filters: dict[str, SentFilter] = field(default_factory=dict)

    def with_filters(self, now: Iterable[SentFilter]) -> MarkerTopic:
        """The same with the filters that run now, once that has been published too."""
        return replace(self, filters=self.filters | _changes(self.filters, now))


def batch_message(topic: str, row: LedgerRow) -> OutgoingMessage:
    """Message that names a batch as published."""
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
    """Messages on filters that are new, have changed, or don't run any more."""
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
    """Everything that the topic tells, up to its end.

    Parameters
    ----------
    known
        Keys of batches to pass over.

    Raises
    ------
    FatalError
        The topic cannot be read, or somebody else has written to it.
    """
    published = MarkerTopic()
    for message in read_committed(options, topic, partitions, patience_seconds):
        key, value = (message.key() or b"").decode(), message.value()
        if value is None or key.removeprefix(_BATCH) in known:
            continue
        try:
            _take(published, key, json.loads(value), message.timestamp()[1])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise LedgerError(
                f"topic {topic} has a message at offset {message.offset()} that distribute has "
                "not written; only distribute may write to it"
            ) from None
    return published


def _changes(known: Mapping[str, SentFilter], now: Iterable[SentFilter]) -> dict[str, SentFilter]:
    running = {item.name: item for item in now}
    gone = {
        name: replace(item, active=False)
        for name, item in known.items()
        if item.active and name not in running
    }
    return {name: item for name, item in (running | gone).items() if known.get(name) != item}


def _take(published: MarkerTopic, key: str, record: dict[str, Any], at_ms: int) -> None:
    if key.startswith(_FILTER):
        item = SentFilter(**record)
        published.filters[item.name] = item
    elif key.startswith(_BATCH):
        row = _ledger_row(record)
        published.batches[row.key] = row
        published.sent_at[row.key] = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)


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
