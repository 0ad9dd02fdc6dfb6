"""Where a stream without a checkpoint starts."""

from __future__ import annotations

import json

import pytest

from broker.errors import UsageError
from broker.ingest.offsets import Reached
from broker.ingest.source import starting_options
from broker.kafka.positions import TopicPartition

PATTERN = "ztf_[0-9]{8}_programid1"
PARTITIONS = {
    TopicPartition("ztf_20240706_programid1", 0),
    TopicPartition("ztf_20240706_programid1", 1),
    TopicPartition("ztf_20240707_programid1", 0),
    TopicPartition("ztf_20240707_programid2", 0),
    TopicPartition("xztf_20240707_programid1", 0),
}


def test_without_a_ledger_a_stream_starts_at_the_beginning() -> None:
    assert starting_options("ledger", PATTERN, {}, PARTITIONS) == {"startingOffsets": "earliest"}


def test_a_stream_starts_where_the_ledger_ends_and_new_partitions_at_their_beginning() -> None:
    reached = {
        ("ztf_20240706_programid1", 0): Reached(40, 50),
        # Expired since.
        ("ztf_20240705_programid1", 0): Reached(9, 9),
    }
    options = starting_options("ledger", PATTERN, reached, PARTITIONS)
    assert json.loads(options["startingOffsets"]) == {
        "ztf_20240706_programid1": {"0": 40, "1": -2},
        "ztf_20240707_programid1": {"0": -2},
    }


def test_a_ledger_of_other_topics_says_nothing() -> None:
    reached = {("other", 0): Reached(40, 50)}
    options = starting_options("ledger", PATTERN, reached, PARTITIONS)
    assert options == {"startingOffsets": "earliest"}


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_the_operator_may_choose_an_end_of_the_topics(start: str) -> None:
    reached = {("ztf_20240706_programid1", 0): Reached(40, 50)}
    assert starting_options(start, PATTERN, reached, PARTITIONS) == {"startingOffsets": start}


@pytest.mark.parametrize(
    ("start", "milliseconds"),
    [
        ("2024-07-07T03:00", "1720321200000"),
        ("2024-07-07T03:00Z", "1720321200000"),
        ("2024-07-07T05:00:00+02:00", "1720321200000"),
        ("2024-07-07", "1720310400000"),
    ],
)
def test_the_operator_may_choose_a_time_utc_unless_it_says_otherwise(
    start: str, milliseconds: str
) -> None:
    options = starting_options(start, PATTERN, {}, PARTITIONS)
    assert options["startingTimestamp"] == milliseconds


def test_any_other_start_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="--from yesterday: expected ledger, earliest, latest or"):
        starting_options("yesterday", PATTERN, {}, PARTITIONS)
