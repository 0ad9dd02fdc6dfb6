"""What must have come of a night, from what was sent and nothing of the broker's."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import duckdb
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from tests.e2e.chaos.feed import SOUND
from tests.e2e.distribution.distributing import DistributeSite, header
from tests.e2e.site import Position

_PATIENCE_SECONDS = 120.0

# Filters of the night, with the same sentence in Python, of the alert's number alone.
FILTERS: Mapping[str, tuple[str, str, Callable[[int], bool]]] = {
    "everything": ("lite", "alert_id >= 0", lambda _: True),
    "nothing": ("full", "alert_id < 0", lambda _: False),
    "thirds": ("full", "alert_id % 3 = 1", lambda number: number % 3 == 1),
    "pictures": ("cutouts", "alert_id % 5 = 0", lambda number: number % 5 == 0),
    "north": ("full", "dec_deg > 30", lambda number: number * 0.003 % 60 > 30),
}


@dataclass(frozen=True)
class Truth:
    """The messages that Kafka has, as their headers tell.

    Parameters
    ----------
    sound, unusable
        Kafka position → alert, and → bytes.
    """

    sound: dict[Position, int]
    unusable: dict[Position, bytes | None]
    kinds: Counter[str]


def read_truth(site: DistributeSite) -> Truth:
    """Read the whole input topic."""
    sound: dict[Position, int] = {}
    unusable: dict[Position, bytes | None] = {}
    kinds: Counter[str] = Counter()
    for message in read_all(site.kafka.client_options(), site.topic):
        place = (site.topic, message.partition() or 0, message.offset() or 0)
        kind = header(message, "kind")
        kinds[kind] += 1
        if kind in SOUND:
            sound[place] = int(header(message, "number"))
        else:
            unusable[place] = message.value()
    return Truth(sound, unusable, kinds)


def differences(site: DistributeSite, truth: Truth) -> Iterator[str]:
    """Whatever is not as it must be."""
    yield from _compare("raw", Counter(truth.sound), Counter(site.raw_by_duckdb()))
    kept = quarantined(site)
    places = Counter(place for place, _ in kept)
    yield from _compare("quarantine", Counter(truth.unusable.keys()), places)
    changed = [place for place, value in kept if truth.unusable.get(place, value) != value]
    if changed:
        yield f"quarantine: other bytes than were sent at {changed[:5]}"
    alerts = set(truth.sound.values())
    yield from _compare("science", Counter(alerts), Counter(science_ids(site)))
    for name, (_, _, selects) in FILTERS.items():
        topic = site.topic_of(name)
        messages = read_all(site.kafka.client_options(), topic)
        got = Counter(int(header(message, "alert_id")) for message in messages)
        yield from _compare(topic, Counter(filter(selects, alerts)), got)
    for job in ("stream2raw", "raw2science"):
        if left := site.staged(job):  # type: ignore[arg-type]
            yield f"staging of {job} still has {left}"


def _compare(what: str, expected: Counter[object], got: Counter[object]) -> Iterator[str]:
    lost, more = expected.keys() - got.keys(), got.keys() - expected.keys()
    doubled = [item for item, count in got.items() if count > 1]
    for word, items in (("lost", lost), ("not expected", more), ("doubled", doubled)):
        if items:
            yield f"{what}: {len(items)} {word}, such as {sorted(items, key=str)[:5]}"


def quarantined(site: DistributeSite) -> list[tuple[Position, bytes | None]]:
    """Positions and bytes in the quarantine table."""
    if not (site.root / site.survey / "quarantine").exists():
        return []
    files = f"{site.root}/{site.survey}/quarantine/night=*/batch=*/*.parquet"
    query = f'SELECT topic, "partition", "offset", value FROM read_parquet(\'{files}\')'
    return [((topic, part, at), value) for topic, part, at, value in duckdb.sql(query).fetchall()]


def science_ids(site: DistributeSite) -> list[int]:
    """Alerts of all science rows."""
    files = f"{site.root}/{site.survey}/online/science/**/*.parquet"
    return [row[0] for row in duckdb.sql(f"SELECT alert_id FROM '{files}'").fetchall()]


def read_all(options: Mapping[str, str], topic: str) -> Iterator[Message]:
    """Every committed message of a topic."""
    settings = {
        "group.id": "oracle",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
    }
    consumer = Consumer({**options, **settings})
    try:
        left = set(consumer.list_topics(topic, 30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while left:
            assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
    finally:
        consumer.close()
