"""``nightjar topics`` says of each topic whether its filter runs and which topic continues it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from broker.commands.topics import show_lines, topic_lines
from broker.sinks.marker_topic import MarkerTopic, SentFilter
from broker.tables.ledger_row import FilterCount, LedgerRow

AT = dt.datetime(2024, 9, 10, tzinfo=dt.UTC)
NEW = SentFilter("snia", "nightjar_elasticc_snia", "aa", "Type Ia supernovae.", "full", "f0")
OLD = replace(NEW, name="elasticc_snia", topic="nightjar_elasticc_elasticc_snia", active=False)
GONE = replace(OLD, name="gone", topic="nightjar_elasticc_gone", digest="bb")


def row(key: str, *counts: FilterCount) -> LedgerRow:
    return LedgerRow(
        survey="elasticc",
        stage="distribute",
        key=key,
        batch_time=AT,
        seconds=1.0,
        read=10,
        written=sum(count.matched for count in counts),
        by_filter=counts,
    )


@pytest.fixture
def content() -> MarkerTopic:
    """Marker topic of a site whose filter elasticc_snia was renamed after one batch."""
    first = row("a", FilterCount("elasticc_snia", "aa", 4), FilterCount("gone", "bb", 2))
    second = row("b", FilterCount("snia", "aa", 3))
    return MarkerTopic(
        batches={"a": first, "b": second},
        sent_at={"a": AT, "b": dt.datetime.now(dt.UTC)},
        filters={one.name: one for one in (OLD, NEW, GONE)},
    )


def test_a_topic_under_an_old_name_keeps_its_alerts_and_names_its_successor(
    content: MarkerTopic, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = topic_lines(content, {OLD.topic: "604800000"})
    by_topic = {line.topic: line for line in lines}
    assert by_topic[OLD.topic].continued_as == NEW.topic
    assert by_topic[OLD.topic].alerts == 4
    assert by_topic[NEW.topic].continued_as is by_topic[GONE.topic].continued_as is None
    assert (by_topic[NEW.topic].alerts, by_topic[NEW.topic].alerts_last_day) == (3, 3)
    show_lines(lines)
    shown = capsys.readouterr().out
    assert f"{OLD.topic} (continued as {NEW.topic})\n" in shown
    assert f"{GONE.topic} (its filter has stopped)\n" in shown
    assert f"{NEW.topic}\n" in shown
