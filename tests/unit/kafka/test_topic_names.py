"""A topic setting is a name or a pattern of names; our own topics carry prefix and survey."""

from __future__ import annotations

import pytest

from broker.filters.definition import Filter
from broker.kafka.positions import TopicPartition
from broker.kafka.topic_names import (
    MARKER,
    common_prefix,
    is_internal,
    is_pattern,
    marker_topic,
    matching,
)

PATTERN = "ztf_[0-9]{8}_programid1"
PARTITIONS = {
    TopicPartition("ztf_20240706_programid1", 0),
    TopicPartition("ztf_20240706_programid1", 1),
    TopicPartition("ztf_20240707_programid1", 0),
    TopicPartition("ztf_20240707_programid2", 0),
    TopicPartition("xztf_20240707_programid1", 0),
}


def test_a_name_is_told_from_a_pattern() -> None:
    assert is_pattern(PATTERN)
    assert is_pattern("a|b")
    assert not is_pattern("ztf_20240707_programid1")
    assert not is_pattern("alerts.ztf-1")


def test_a_pattern_means_whole_names() -> None:
    assert {topic for topic, _ in matching(PATTERN, PARTITIONS)} == {
        "ztf_20240706_programid1",
        "ztf_20240707_programid1",
    }
    assert matching("ztf_20240707_programid1", PARTITIONS) == {
        TopicPartition("ztf_20240707_programid1", 0)
    }


@pytest.mark.parametrize(
    ("topic", "prefix"),
    [("alerts.ztf-1", "alerts.ztf-1"), (PATTERN, "ztf_"), ("ztf.*", "ztf"), ("(a|b)", "")],
)
def test_topics_of_a_pattern_share_its_literal_beginning(topic: str, prefix: str) -> None:
    assert common_prefix(topic) == prefix


def test_the_marker_topic_keeps_its_name() -> None:
    # Renamed, the next start of distribute would send a batch twice.
    assert marker_topic("nightjar", "ztf") == "nightjar_ztf_published"


def test_no_filter_can_have_the_name_of_the_marker_topic() -> None:
    with pytest.raises(ValueError, match="choose another"):
        Filter(name=MARKER, description="d", source="s", survey="ztf", where="mag < 18")


def test_topics_of_kafka_itself_are_internal() -> None:
    assert is_internal("__consumer_offsets")
    assert not is_internal("alerts")
