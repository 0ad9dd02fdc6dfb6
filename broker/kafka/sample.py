"""A few messages from where a stream will start: to learn their schemas and their size."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

import confluent_kafka
from confluent_kafka import Consumer, KafkaError

from broker.kafka.positions import TopicPartition
from broker.kafka.reader import TO_THE_END

_TIMEOUT_S = 5.0


def sample_messages(
    options: Mapping[str, str], starts: Mapping[TopicPartition, int], most: int
) -> list[bytes]:
    """Values of up to ``most`` messages; fewer when there are no more.

    Parameters
    ----------
    options
        confluent-kafka client options.
    starts
        First offset of every partition that has messages.
    most
        How many, over all partitions.
    """
    if not starts:
        return []
    consumer = Consumer(
        {
            **options,
            **TO_THE_END,
            "group.id": f"nightjar-sample-{uuid.uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        consumer.assign(
            [confluent_kafka.TopicPartition(*place, offset) for place, offset in starts.items()]
        )
        return _read(consumer, len(starts), most)
    finally:
        consumer.close()


def _read(consumer: Consumer, partitions: int, most: int) -> list[bytes]:
    """Read until there is enough, every partition has ended or it takes too long."""
    values: list[bytes] = []
    ended = 0
    deadline = time.monotonic() + _TIMEOUT_S
    while len(values) < most and ended < partitions and time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is None:
            continue
        error, value = message.error(), message.value()
        if error is not None:
            ended += error.code() == KafkaError._PARTITION_EOF
        elif value is not None:
            values.append(value)
    return values
