"""Positions in Kafka: a partition of a topic, one message in it, and where a partition ends."""

from __future__ import annotations

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
