"""The audit of what went out: every difference is found and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from broker.audit import topics as audit_topics
from broker.audit.finding import Finding
from broker.audit.topics import OutputTopics, check_filters, check_matches, check_messages
from broker.kafka.positions import TopicPartition, Watermarks
from broker.sinks.marker_topic import MarkerTopic, SentFilter
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import FilterCount, LedgerRow
from broker.tables.storage import Storage
from tests.builders import write_batches
from tests.science_rows import AT, science_rows

WHERE = {"d0": "alert_id % 2 = 0", "d1": "mag < 17"}
BATCH = 20


@dataclass
class Received:
    """A message in one partition, as far as the audit looks at it."""

    alert_id: int
    digest: str
    at_ms: int = 0

    def headers(self) -> list[tuple[str, bytes]]:
        return [("alert_id", str(self.alert_id).encode()), ("filter_digest", self.digest.encode())]

    def partition(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 2, self.at_ms


@dataclass
class Output:
    """Two science batches, their distribute rows, and the messages of both filters."""

    storage: Storage
    rows: list[LedgerRow]
    topics: dict[str, list[Received]]
    first_offset: int = 0
    described: dict[str, SentFilter] = field(default_factory=dict)

    def check(self) -> Finding:
        return check_messages(self.storage, self.rows, OutputTopics({}, "nightjar", "ztf"))


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Output:
    tables = [science_rows("ztf", range(k * BATCH, (k + 1) * BATCH)) for k in range(2)]
    keys = write_batches(tmp_path, "ztf", tables)
    storage = Storage(str(tmp_path / "ztf"))
    for digest, where in WHERE.items():
        storage.write_text(f'where = "{where}"', f"ledger/filters/{digest}.toml")
    rows, topics = [], {"nightjar_ztf_even": list[Received](), "nightjar_ztf_bright": []}
    for key, table in zip(keys, tables, strict=True):
        alerts = table.to_pylist()
        even = [row["alert_id"] for row in alerts if row["alert_id"] % 2 == 0]
        bright = [row["alert_id"] for row in alerts if (row["mag"] or 99) < 17]
        topics["nightjar_ztf_even"] += [Received(alert_id, "d0") for alert_id in even]
        topics["nightjar_ztf_bright"] += [Received(alert_id, "d1") for alert_id in bright]
        rows.append(
            LedgerRow(
                survey="ztf",
                stage="distribute",
                key=key,
                batch_time=AT,
                seconds=1.0,
                read=BATCH,
                written=len(even) + len(bright),
                by_filter=(
                    FilterCount("even", "d0", len(even)),
                    FilterCount("bright", "d1", len(bright)),
                ),
            )
        )
    made = Output(storage, rows, topics)
    made.described = {
        name: SentFilter(name, f"nightjar_ztf_{name}", digest, "A test.", "full", "f0")
        for name, digest in (("even", "d0"), ("bright", "d1"))
    }

    class Known:
        def __init__(self, *_: Any) -> None: ...

        def topics(self) -> dict[str, int]:
            return dict.fromkeys([*made.topics, "nightjar_ztf_published"], 1)

        def watermarks(self, partitions: set[TopicPartition]) -> dict[TopicPartition, Watermarks]:
            return {at: Watermarks(made.first_offset, 10**9) for at in partitions}

    def committed(_options: Any, topic: str, *_: Any) -> Iterator[Received]:
        return iter(made.topics[topic])

    monkeypatch.setattr(audit_topics, "KafkaCluster", Known)

    def marked(_options: Any, topic: str, *_: Any) -> MarkerTopic:
        assert topic == "nightjar_ztf_published"
        return MarkerTopic(filters=made.described)

    monkeypatch.setattr(audit_topics, "read_marker_topic", marked)
    monkeypatch.setattr(audit_topics, "read_committed", committed)
    return made


def test_all_equations_hold_for_a_sound_output(output: Output) -> None:
    science = Ledger(output.storage).rows("science")
    findings = [
        check_filters(science, output.rows),
        check_matches(output.storage, output.rows),
        output.check(),
    ]
    assert [finding.differences for finding in findings] == [(), (), ()]
    sent = sum(row.written for row in output.rows)
    assert findings[1].summary == f"{sent} matches"
    assert findings[2].summary == f"{sent} messages in 2 topics"


def lose(output: Output) -> None:
    output.topics["nightjar_ztf_even"].pop()


def double(output: Output) -> None:
    output.topics["nightjar_ztf_bright"].append(output.topics["nightjar_ztf_bright"][0])


def invent(output: Output) -> None:
    output.topics["nightjar_ztf_even"].append(Received(17, "d0"))


def lose_a_topic(output: Output) -> None:
    del output.topics["nightjar_ztf_even"]


def mix_up_filters(output: Output) -> None:
    output.topics["nightjar_ztf_even"][0].digest = "d1"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lose, "abcdef01-000001, topic nightjar_ztf_even: 9 messages, 10 in the ledger"),
        (double, "topic nightjar_ztf_bright: duplicates of messages: 1"),
        (invent, "batch unknown, topic nightjar_ztf_even: 1 messages (d0) that the ledger lacks"),
        (lose_a_topic, "abcdef01-000000, topic nightjar_ztf_even: 0 messages, 10 in the ledger"),
        (mix_up_filters, "topic nightjar_ztf_even: 1 messages (d1) that the ledger lacks"),
    ],
)
def test_a_wrong_topic_is_named(
    output: Output, damage: Callable[[Output], None], named: str
) -> None:
    damage(output)
    assert any(named in line for line in output.check().differences)


def test_a_filter_counts_in_the_topic_that_the_marker_topic_names(output: Output) -> None:
    output.topics["old_name"] = output.topics.pop("nightjar_ztf_even")
    output.described["even"] = replace(output.described["even"], topic="old_name", active=False)
    finding = output.check()
    assert finding.differences == ()
    sent = sum(row.written for row in output.rows)
    assert finding.summary == f"{sent} messages in 2 topics"


def test_batches_of_a_renamed_filter_count_in_both_its_topics(output: Output) -> None:
    even, bright = output.rows[1].by_filter
    output.rows[1] = replace(output.rows[1], by_filter=(replace(even, name="paired"), bright))
    sent = output.topics["nightjar_ztf_even"]
    output.topics["nightjar_ztf_even"] = sent[: BATCH // 2]
    output.topics["nightjar_ztf_paired"] = sent[BATCH // 2 :]
    described = output.described["even"]
    output.described["even"] = replace(described, active=False)
    output.described["paired"] = replace(described, name="paired", topic="nightjar_ztf_paired")
    assert output.check().differences == ()
    output.topics["nightjar_ztf_even"].pop()
    (line,) = output.check().differences
    assert line.startswith("batch abcdef01-000000, topic nightjar_ztf_even: 9 messages")


def test_a_filter_that_the_marker_topic_does_not_name_is_a_difference(output: Output) -> None:
    del output.described["even"]
    (line,) = output.check().differences
    assert line.startswith("filter even: topic nightjar_ztf_published does not name its topic")
    assert "its 20 messages" in line


def test_messages_that_have_expired_are_not_missing(output: Output) -> None:
    output.first_offset = 10
    kept = [
        [replace(message, at_ms=2_000_000_000_000) for message in messages[-3:]]
        for messages in output.topics.values()
    ]
    output.topics = dict(zip(output.topics, kept, strict=True))
    finding = output.check()
    assert finding.differences == ()
    sent = sum(row.written for row in output.rows)
    assert finding.summary == f"6 messages in 2 topics, {sent - 6} expired"


def test_a_batch_whose_ledger_row_is_still_to_come_is_no_difference(output: Output) -> None:
    output.rows.pop()
    finding = output.check()
    assert finding.differences == ()
    assert "of batches in hand" in finding.summary


def test_a_wrong_count_in_the_ledger_is_found_from_the_rows(output: Output) -> None:
    even, bright = output.rows[0].by_filter
    output.rows[0] = replace(output.rows[0], by_filter=(replace(even, matched=9), bright))
    (line,) = check_matches(output.storage, output.rows).differences
    assert line == "batch abcdef01-000000, filter even (d0): 10 rows match, 9 in the ledger"
    (line,) = check_filters(Ledger(output.storage).rows("science"), output.rows).differences
    assert line.startswith("batch abcdef01-000000: 20 science rows, 20 filtered;")


def test_a_filter_that_duckdb_cannot_evaluate_is_left_out_and_named(output: Output) -> None:
    output.storage.write_text('where = "rlike(band, 5)"', "ledger/filters/d1.toml")
    finding = check_matches(output.storage, output.rows)
    assert finding.differences == ()
    assert finding.summary.endswith("DuckDB cannot evaluate bright")


def test_a_batch_that_distribute_has_not_seen_waits(output: Output) -> None:
    science = Ledger(output.storage).rows("science")
    finding = check_filters(science, output.rows[:1])
    assert finding.holds
    assert "batches waiting for distribute: 1" in finding.summary
