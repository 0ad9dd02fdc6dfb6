"""Positions in Kafka: a partition of a topic, one message in it, and where a partition ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple


class TopicPartition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


class KafkaPosition(NamedTuple):
    """One message: topic, partition and offset."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic} partition {self.partition} offset {self.offset}"


class Watermarks(NamedTuple):
    """First offset that a partition still has, and the one after its last."""

    low: int
    high: int


def parse_offsets(text: str) -> dict[TopicPartition, int]:
    """Offsets of partitions from Spark's JSON.

    Examples
    --------
    >>> parse_offsets('{"alerts": {"0": 12}}')
    {TopicPartition(topic='alerts', partition=0): 12}
    """
    offsets: Mapping[str, Mapping[str, int]] = json.loads(text)
    return {
        TopicPartition(topic, int(partition)): offset
        for topic, partitions in offsets.items()
        for partition, offset in partitions.items()
    }


def format_offsets(offsets: Mapping[TopicPartition, int]) -> str:
    """Offsets of partitions as Spark's JSON.

    Examples
    --------
    >>> format_offsets({TopicPartition("alerts", 0): 12})
    '{"alerts": {"0": 12}}'
    """
    by_topic: dict[str, dict[str, int]] = {}
    for at, offset in sorted(offsets.items()):
        by_topic.setdefault(at.topic, {})[str(at.partition)] = offset
    return json.dumps(by_topic)
