"""The audit's last stretch: per batch and filter, rows that match = messages committed.

The rows are counted by another engine than the one that sent them, and the messages by reading
the topics, not by their offsets: transactions take offsets too.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from broker.archive.finding import Finding
from broker.kafka.read import first_offsets, read_committed
from broker.kafka.topics import Topics
from broker.sinks.ledger import LedgerRow
from broker.sinks.publish import AREAS
from broker.sinks.published import topic_of
from broker.storage import Storage

_PATIENCE_SECONDS = 30.0
_PARTITIONS = ds.partitioning(
    pa.schema([("night", pa.int32()), ("batch", pa.string())]), flavor="hive"
)
_UNKNOWN, _ARCHIVED = "unknown", "archived"
BatchFilter = tuple[str, str]
"""Batch key and a filter's digest."""


@dataclass(frozen=True)
class OutputTopics:
    """Where filtered alerts went.

    Parameters
    ----------
    options
        Options of confluent-kafka for the output cluster.
    prefix, survey
        Topics are called ``<prefix>_<survey>_<filter>``.
    """

    options: Mapping[str, str]
    prefix: str
    survey: str


@dataclass
class _Sent:
    """What a topic holds: messages by batch and digest, and since when all of them are there."""

    by_batch: Counter[BatchFilter] = field(default_factory=Counter)
    doubled: int = 0
    kept_since: dt.datetime | None = None


@dataclass
class _Compared:
    """A topic against the ledger, in messages."""

    read: int
    expired: int = 0
    in_hand: int = 0
    differences: list[str] = field(default_factory=list)


def check_filters(science: Iterable[LedgerRow], distributed: Iterable[LedgerRow]) -> Finding:
    """Per batch: every science row was filtered, and the messages are the filters' together."""
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
        f"{read} rows, {sent} messages; {len(rows)} batches wait for distribute",
        tuple(differences),
    )


def check_matches(storage: Storage, distributed: Iterable[LedgerRow]) -> Finding:
    """Per batch and filter: rows that match, evaluated again by DuckDB = as the ledger says."""
    where = _WhereByDigest(storage)
    folders = _science_folders(storage)
    differences, total, skipped = [], 0, set()
    for row in distributed:
        if row.key not in folders:
            continue
        digests = [count.digest for count in row.by_filter]
        found = _count_matches(folders[row.key], storage, [where(digest) for digest in digests])
        for count, n_found in zip(row.by_filter, found, strict=True):
            if n_found is None:
                skipped.add(count.name)
                continue
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
    """Per batch and filter: messages committed = as the ledger says, none of them twice."""
    online = _science_folders(storage)
    rows = [row for row in distributed if row.key in online]
    # Alerts of batches that have gone to the archive cannot be told from strangers.
    stranger = _UNKNOWN if len(rows) == len(distributed) else _ARCHIVED
    batch_of = defaultdict(lambda: stranger, _batch_of_alerts(storage, online))
    known = Topics(topics.options, _PATIENCE_SECONDS).partitions()
    names = sorted({count.name for row in distributed for count in row.by_filter})
    compared = []
    for name in names:
        topic = topic_of(topics.prefix, topics.survey, name)
        sent = _read(topics.options, topic, known.get(topic, 0), batch_of)
        compared.append(_compare(topic, sent, rows, name))
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


def _compare(topic: str, sent: _Sent, rows: Iterable[LedgerRow], name: str) -> _Compared:
    """Compare a topic's messages with what the ledger tells of its filter."""
    compared = _Compared(read=sent.by_batch.total())
    if sent.doubled:
        compared.differences.append(f"topic {topic}: {sent.doubled} messages are there twice")
    for row, digest, matched in _of_filter(rows, name):
        found = sent.by_batch.pop((row.key, digest), 0)
        is_old = sent.kept_since is not None and row.batch_time <= sent.kept_since
        if is_old and found < matched:
            compared.expired += matched - found
        elif found != matched:
            compared.differences.append(
                f"batch {row.key}, topic {topic}: {found} messages, {matched} in the ledger"
            )
    told = {row.key for row in rows}
    for (key, digest), n in sorted(sent.by_batch.items()):
        if key in told or key == _UNKNOWN:
            compared.differences.append(
                f"batch {key}, topic {topic}: {n} messages ({digest}) that the ledger lacks"
            )
        elif key != _ARCHIVED:
            # Committed a moment ago, or before a crash: the next start writes the ledger's row.
            compared.in_hand += n
    return compared


class _WhereByDigest:
    """Conditions of the filters, as kept when they ran."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, str | None] = {}

    def __call__(self, digest: str) -> str | None:
        if digest not in self._known:
            path = f"ledger/filters/{digest}.toml"
            found = self._storage.exists(path)
            text = self._storage.read_text(path) if found else ""
            self._known[digest] = tomllib.loads(text)["where"] if found else None
        return self._known[digest]


def _count_matches(
    folders: list[str], storage: Storage, conditions: Sequence[str | None]
) -> list[int | None]:
    """Rows of a batch that match each condition; None for one that cannot be evaluated."""
    with duckdb.connect() as connection:
        connection.register("science", _dataset(storage, folders).to_table())
        return [_count(connection, condition) for condition in conditions]


def _count(connection: duckdb.DuckDBPyConnection, condition: str | None) -> int | None:
    if condition is None:
        return None
    try:
        found = connection.execute(f"SELECT count(*) FROM science WHERE (\n{condition}\n)")
        return int(found.fetchall()[0][0])
    except duckdb.Error:
        return None


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
    first = first_offsets(options, topic, partitions, _PATIENCE_SECONDS)
    expired = {partition for partition, offset in first.items() if offset > 0}
    seen: set[tuple[int, str]] = set()
    for message in read_committed(options, topic, partitions, _PATIENCE_SECONDS):
        headers: dict[str, Any] = dict(message.headers() or ())
        alert_id, digest = int(headers["alert_id"]), headers["filter_digest"].decode()
        sent.by_batch[batch_of[alert_id], digest] += 1
        sent.doubled += (alert_id, digest) in seen
        seen.add((alert_id, digest))
        if message.partition() in expired:
            expired.discard(message.partition())
            at = dt.datetime.fromtimestamp(message.timestamp()[1] / 1000, dt.UTC)
            sent.kept_since = max(at, sent.kept_since or at)
    if expired:  # nothing is left in a partition, so all may have been older
        sent.kept_since = dt.datetime.now(dt.UTC)
    return sent


def _science_folders(storage: Storage) -> dict[str, list[str]]:
    """Key of a batch → its folders in the online science table."""
    found: dict[str, list[str]] = {}
    for night in storage.names(AREAS["science"]):
        for batch in storage.names(f"{AREAS['science']}/{night}"):
            folder = f"{AREAS['science']}/{night}/{batch}"
            found.setdefault(batch.removeprefix("batch="), []).append(folder)
    return found


def _batch_of_alerts(storage: Storage, online: Mapping[str, list[str]]) -> dict[int, str]:
    """Alert id → key of its batch, of all that is online."""
    found: dict[int, str] = {}
    for key, folders in online.items():
        ids = _dataset(storage, folders).to_table(columns=["alert_id"])["alert_id"]
        found.update(dict.fromkeys(ids.to_pylist(), key))
    return found


def _dataset(storage: Storage, folders: Iterable[str]) -> ds.Dataset:
    selected = [
        storage.path(f"{folder}/{name}") for folder in folders for name in storage.names(folder)
    ]
    return ds.dataset(
        selected, filesystem=storage.filesystem, format="parquet", partitioning=_PARTITIONS
    )
