"""Offsets go to Spark's JSON and back; a position reads as people say it."""

from __future__ import annotations

import json

from broker.kafka.positions import KafkaPosition, TopicPartition, format_offsets, parse_offsets

OFFSETS = {TopicPartition("b", 0): 7, TopicPartition("a", 1): -2, TopicPartition("a", 0): 2**40}


def test_offsets_survive_sparks_json() -> None:
    assert json.loads(format_offsets(OFFSETS)) == {"a": {"0": 2**40, "1": -2}, "b": {"0": 7}}
    assert parse_offsets(format_offsets(OFFSETS)) == OFFSETS


def test_a_position_reads_as_topic_partition_and_offset() -> None:
    assert str(KafkaPosition("alerts", 1, 12)) == "alerts partition 1 offset 12"
