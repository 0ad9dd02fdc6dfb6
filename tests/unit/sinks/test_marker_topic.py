"""The marker topic names the batches that were sent; an object's alerts take one partition."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from broker.errors import LedgerError
from broker.sinks import marker_topic
from broker.sinks.marker_topic import (
    MarkerTopic,
    SentFilter,
    batch_message,
    filter_messages,
    read_marker_topic,
)
from broker.sinks.transactions import OutgoingMessage, partition_of
from broker.tables.ledger_row import FilterCount, LedgerRow

TOPIC = "nightjar_ztf_published"
AT_MS = 1_725_945_000_123
ROW = LedgerRow(
    survey="ztf",
    stage="distribute",
    key="0123abcd-000007",
    upstream="science",
    batch_time=dt.datetime(2024, 9, 10, 5, 30, 0, 123000, tzinfo=dt.UTC),
    seconds=1.25,
    read=499,
    written=40,
    by_filter=(FilterCount("bright", "aa", 40), FilterCount("faint", "bb", 0)),
)
BRIGHT = SentFilter("bright", "nightjar_ztf_bright", "aa", "Bright.", "full", "f0")
FAINT = SentFilter("faint", "nightjar_ztf_faint", "bb", "Schwäche.", "lite", "f1")


@dataclass
class Received:
    """A message as Kafka hands it back."""

    sent: OutgoingMessage

    def key(self) -> bytes:
        return self.sent.key

    def value(self) -> bytes:
        return self.sent.value

    def timestamp(self) -> tuple[int, int]:
        return 2, AT_MS

    def offset(self) -> int:
        return 5


@pytest.fixture
def read_back(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MarkerTopic]:
    def read(*messages: OutgoingMessage, known: tuple[str, ...] = ()) -> MarkerTopic:
        def committed(*_: Any) -> Iterator[Received]:
            return map(Received, messages)

        monkeypatch.setattr(marker_topic, "read_committed", committed)
        return read_marker_topic({}, TOPIC, 1, 1.0, known)

    return read


def test_a_batch_comes_back_as_its_ledger_row(read_back: Callable[..., MarkerTopic]) -> None:
    found = read_back(batch_message(TOPIC, ROW), batch_message(TOPIC, replace(ROW, key="x")))
    assert found.batches == {ROW.key: ROW, "x": replace(ROW, key="x")}
    assert found.sent_at[ROW.key] == dt.datetime(2024, 9, 10, 5, 10, 0, 123000, tzinfo=dt.UTC)


def test_known_batches_are_left_out(read_back: Callable[..., MarkerTopic]) -> None:
    messages = [batch_message(TOPIC, replace(ROW, key=key)) for key in ("x", "y")]
    messages += filter_messages(TOPIC, {}, [BRIGHT])
    found = read_back(*messages, known=("x", BRIGHT.name))
    assert found.batches.keys() == found.sent_at.keys() == {"y"}
    assert found.filters == {BRIGHT.name: BRIGHT}


def test_of_a_filter_the_latest_description_counts(read_back: Callable[..., MarkerTopic]) -> None:
    first = filter_messages(TOPIC, {}, [BRIGHT, FAINT])
    changed = replace(BRIGHT, digest="cc")
    known = {"bright": BRIGHT, "faint": FAINT}
    second = filter_messages(TOPIC, known, [changed])
    assert [message.key for message in second] == [b"filter:bright", b"filter:faint"]
    found = read_back(*first, *second)
    assert found.filters == {"bright": changed, "faint": replace(FAINT, active=False)}
    assert filter_messages(TOPIC, found.filters, [changed]) == []


def test_nothing_is_said_of_filters_that_stay_as_they_are() -> None:
    known = MarkerTopic().with_filters([BRIGHT, FAINT])
    assert filter_messages(TOPIC, known.filters, [FAINT, BRIGHT]) == []
    again = known.with_filters([FAINT]).with_filters([BRIGHT, FAINT])
    assert again.filters == known.filters


OLD = replace(BRIGHT, name="ztf_bright", topic="nightjar_ztf_ztf_bright", active=False)


def content(*filters: SentFilter, counts: tuple[FilterCount, ...] = ROW.by_filter) -> MarkerTopic:
    return MarkerTopic(
        batches={ROW.key: replace(ROW, by_filter=counts)},
        filters={one.name: one for one in filters},
    )


def test_a_renamed_filter_is_continued_by_the_one_with_its_digest() -> None:
    assert content(OLD, BRIGHT, FAINT).successor(OLD.name) == BRIGHT


def test_a_successor_may_change_its_condition_after_it_has_sent_with_the_old_one() -> None:
    changed = replace(BRIGHT, digest="cc")
    counts = (FilterCount("bright", "aa", 3), FilterCount("bright", "cc", 1))
    assert content(OLD, changed, counts=counts).successor(OLD.name) == changed


def test_a_filter_that_runs_has_no_successor() -> None:
    assert content(replace(OLD, active=True), BRIGHT).successor(OLD.name) is None


def test_a_filter_that_has_stopped_or_has_another_condition_is_no_successor() -> None:
    assert content(OLD, replace(BRIGHT, active=False)).successor(OLD.name) is None
    counts = (FilterCount("bright", "cc", 40),)
    assert content(OLD, replace(BRIGHT, digest="cc"), counts=counts).successor(OLD.name) is None


@pytest.mark.parametrize("value", [b"", b"no JSON", b"[]", b'{"batch": 1}'])
def test_a_strangers_message_is_named(read_back: Callable[..., MarkerTopic], value: bytes) -> None:
    with pytest.raises(LedgerError, match="offset 5"):
        read_back(OutgoingMessage(TOPIC, 0, b"batch:x", value))


def test_an_objects_alerts_take_one_partition_for_ever() -> None:
    # What a topic holds already must not move: these values are for good.
    names = [f"ZTF24a{number:06d}" for number in range(4000)]
    assert [partition_of(name.encode(), 4) for name in names[:8]] == [0, 2, 0, 2, 1, 3, 1, 3]
    spread = Counter(partition_of(name.encode(), 4) for name in names)
    assert set(spread) == {0, 1, 2, 3}
    assert min(spread.values()) > 900
    assert {partition_of(name.encode(), 1) for name in names} == {0}
