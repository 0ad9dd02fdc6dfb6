"""Audit of the output topics: per batch and filter, rows that match = messages committed.

DuckDB counts the rows, not Spark, which sent them; and messages are counted by reading the topics,
not by their offsets, since transactions take offsets too. A filter's topic is the one that the
marker topic names, so that batches of a filter with an old name count in its old topic.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from broker.audit.finding import Finding
from broker.kafka.cluster import KafkaCluster
from broker.kafka.positions import TopicPartition
from broker.kafka.reader import read_committed
from broker.kafka.topic_names import marker_topic
from broker.nights import NightRange
from broker.sinks.marker_topic import SentFilter, read_marker_topic
from broker.tables.files import files_of, retry_while_replaced
from broker.tables.filter_texts import FilterTexts
from broker.tables.ledger_row import LedgerRow
from broker.tables.read_arrow import ALERT_ID, parts_of, rows_of_table
from broker.tables.storage import Storage

_PATIENCE_SECONDS = 30.0
_UNKNOWN = "unknown"
BatchFilter = tuple[str, str]
"""Batch key and a filter's digest."""


@dataclass(frozen=True)
class OutputTopics:
    """Output cluster, and the marker topic that names the filters' topics.

    Parameters
    ----------
    options
        Options of confluent-kafka for the output cluster.
    prefix, survey
        The marker topic is ``<prefix>_<survey>_published``.
    """

    options: Mapping[str, str]
    prefix: str
    survey: str


@dataclass
class _Sent:
    """Messages of a topic by batch and digest, and the time since which none has expired."""

    by_batch: Counter[BatchFilter] = field(default_factory=Counter)
    duplicates: int = 0
    kept_since: dt.datetime | None = None


@dataclass
class _Compared:
    """A topic against the ledger, in messages."""

    read: int
    expired: int = 0
    in_hand: int = 0
    differences: list[str] = field(default_factory=list)


def check_filters(science: Iterable[LedgerRow], distributed: Iterable[LedgerRow]) -> Finding:
    """Per batch: science rows = rows filtered, and messages = matches of all filters."""
    rows = {row.key: row.written for row in science}
    differences, read, sent = [], 0, 0
    for row in distributed:
        read, sent = read + row.read, sent + row.written
        written = rows.pop(row.key, 0)
        matched = sum(count.matched for count in row.by_filter)
        if row.read != written or row.written != matched:
            differences.append(
                f"batch {row.key}: {written} science rows, {row.read} filtered; {row.written} "
                f"messages, {matched} matches"
            )
    return Finding(
        "per batch: science rows = filtered; matches = messages",
        f"{read} rows, {sent} messages; batches waiting for distribute: {len(rows)}",
        tuple(differences),
    )


def check_matches(storage: Storage, distributed: Sequence[LedgerRow]) -> Finding:
    """Per batch and filter: rows that match by DuckDB = matches in the ledger."""
    texts = FilterTexts(storage)
    ran = {count.digest for row in distributed for count in row.by_filter}
    digests = {digest: texts.where(digest) for digest in ran}
    found = retry_while_replaced(lambda: _count_all_matches(storage, digests))
    differences, total, skipped = [], 0, set()
    for row in distributed:
        if row.key not in found.batches:
            continue
        for count in row.by_filter:
            if count.digest in found.not_evaluated:
                skipped.add(count.name)
                continue
            n_found = found.matches[row.key, count.digest]
            total += n_found
            if n_found != count.matched:
                differences.append(
                    f"batch {row.key}, filter {count.name} ({count.digest}): {n_found} rows match, "
                    f"{count.matched} in the ledger"
                )
    left_out = f"; DuckDB cannot evaluate {', '.join(sorted(skipped))}" if skipped else ""
    return Finding(
        "per batch, filter: rows that match = in the ledger",
        f"{total} matches{left_out}",
        tuple(differences),
    )


def check_messages(
    storage: Storage, distributed: Sequence[LedgerRow], topics: OutputTopics
) -> Finding:
    """Per batch and filter: messages committed = in the ledger, without duplicates."""
    batch_of = defaultdict(lambda: _UNKNOWN, _batch_of_alerts(storage))
    known = KafkaCluster(topics.options, _PATIENCE_SECONDS).topics()
    marker = marker_topic(topics.prefix, topics.survey)
    described = _described_filters(topics, marker, known)
    names = sorted({count.name for row in distributed for count in row.by_filter})
    compared = []
    for name in names:
        if name not in described:
            compared.append(_without_topic(marker, distributed, name))
            continue
        topic = described[name].topic
        sent = _read(topics.options, topic, known.get(topic, 0), batch_of)
        compared.append(_compare(topic, sent, distributed, name))
    notes = {
        "expired": sum(item.expired for item in compared),
        "of batches in hand": sum(item.in_hand for item in compared),
    }
    return Finding(
        "per batch, filter: messages committed = in the ledger",
        ", ".join(
            [f"{sum(item.read for item in compared)} messages in {len(names)} topics"]
            + [f"{n} {what}" for what, n in notes.items() if n]
        ),
        tuple(line for item in compared for line in item.differences),
    )


def _described_filters(
    topics: OutputTopics, marker: str, known: Mapping[str, int]
) -> dict[str, SentFilter]:
    """Descriptions of all filters that have ever run, by name; none without a marker topic."""
    if marker not in known:
        return {}
    return read_marker_topic(topics.options, marker, known[marker], _PATIENCE_SECONDS).filters


def _without_topic(marker: str, rows: Iterable[LedgerRow], name: str) -> _Compared:
    """Difference for a filter that has sent messages but that the marker topic does not name."""
    compared = _Compared(read=0)
    if sent := sum(matched for _, _, matched in _of_filter(rows, name)):
        compared.differences.append(
            f"filter {name}: topic {marker} does not name its topic, so its {sent} messages of "
            "the ledger are not counted"
        )
    return compared


def _compare(topic: str, sent: _Sent, rows: Iterable[LedgerRow], name: str) -> _Compared:
    """Compare a topic's messages with the ledger's counts of its filter."""
    compared = _Compared(read=sent.by_batch.total())
    if sent.duplicates:
        compared.differences.append(f"topic {topic}: duplicates of messages: {sent.duplicates}")
    for row, digest, matched in _of_filter(rows, name):
        found = sent.by_batch.pop((row.key, digest), 0)
        is_old = sent.kept_since is not None and row.batch_time <= sent.kept_since
        if is_old and found < matched:
            compared.expired += matched - found
        elif found != matched:
            compared.differences.append(
                f"batch {row.key}, topic {topic}: {found} messages, {matched} in the ledger"
            )
    committed = {row.key for row in rows}
    for (key, digest), n in sorted(sent.by_batch.items()):
        if key in committed or key == _UNKNOWN:
            compared.differences.append(
                f"batch {key}, topic {topic}: {n} messages ({digest}) that the ledger lacks"
            )
        else:
            # Committed a moment ago, or before a crash: the next start writes the ledger's row.
            compared.in_hand += n
    return compared


@dataclass
class _Matches:
    """Matching rows by batch and digest, batches that have rows, digests DuckDB cannot evaluate."""

    matches: Counter[BatchFilter] = field(default_factory=Counter)
    batches: set[str] = field(default_factory=set)
    not_evaluated: set[str] = field(default_factory=set)


def _count_all_matches(storage: Storage, digests: Mapping[str, str | None]) -> _Matches:
    """Count every filter's matches in every batch, night by night."""
    files = files_of(storage, "science")
    found = _Matches(not_evaluated={digest for digest, where in digests.items() if where is None})
    for dataset in parts_of(storage, files):
        with duckdb.connect() as connection:
            connection.register("science", dataset)
            found.batches.update(_by_batch(connection, "true"))
            for digest, where in digests.items():
                if where is None:
                    continue
                try:
                    counts = _by_batch(connection, where)
                except duckdb.Error:
                    found.not_evaluated.add(digest)
                    continue
                for key, n in counts.items():
                    found.matches[key, digest] += n
    return found


def _by_batch(connection: duckdb.DuckDBPyConnection, where: str) -> dict[str, int]:
    found = connection.execute(
        f"SELECT batch, count(*) FROM science WHERE (\n{where}\n) GROUP BY batch"
    )
    return dict(found.fetchall())


def _of_filter(distributed: Iterable[LedgerRow], name: str) -> Iterator[tuple[LedgerRow, str, int]]:
    for row in distributed:
        for count in row.by_filter:
            if count.name == name:
                yield row, count.digest, count.matched


def _read(
    options: Mapping[str, str], topic: str, partitions: int, batch_of: dict[int, str]
) -> _Sent:
    sent = _Sent()
    if not partitions:
        return sent
    wanted = {TopicPartition(topic, number) for number in range(partitions)}
    kept = KafkaCluster(options, _PATIENCE_SECONDS).watermarks(wanted)
    expired = {at.partition for at, marks in kept.items() if marks.low > 0}
    seen: set[tuple[int, str]] = set()
    for message in read_committed(options, topic, partitions, _PATIENCE_SECONDS):
        headers: dict[str, Any] = dict(message.headers() or ())
        alert_id, digest = int(headers["alert_id"]), headers["filter_digest"].decode()
        sent.by_batch[batch_of[alert_id], digest] += 1
        sent.duplicates += (alert_id, digest) in seen
        seen.add((alert_id, digest))
        if message.partition() in expired:
            expired.discard(message.partition())
            at = dt.datetime.fromtimestamp(message.timestamp()[1] / 1000, dt.UTC)
            sent.kept_since = max(at, sent.kept_since or at)
    if expired:  # nothing is left in a partition, so all may have been older
        sent.kept_since = dt.datetime.now(dt.UTC)
    return sent


def _batch_of_alerts(storage: Storage) -> dict[int, str]:
    """Alert id → key of its batch."""
    rows = rows_of_table(storage, "science", NightRange(), ALERT_ID)
    keys = rows["batch"].combine_chunks().dictionary_encode()
    names = keys.dictionary.to_pylist()
    ids = rows["alert_id"].to_pylist()
    return {id_: names[k] for id_, k in zip(ids, keys.indices.to_pylist(), strict=True)}
