"""Positions in Kafka: a partition of a topic, and one message in it."""

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
