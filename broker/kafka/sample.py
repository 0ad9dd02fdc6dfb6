"""Sample of the messages that a stream will read first, to learn their schemas and sizes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import confluent_kafka
from confluent_kafka import Consumer, KafkaError

from broker.deadline import Deadline
from broker.kafka.positions import TopicPartition
from broker.kafka.reader import TO_THE_END

_TIMEOUT_S = 5.0


def sample_messages(
    options: Mapping[str, str], starts: Mapping[TopicPartition, int], most: int
) -> list[bytes]:
    """Values of at most ``most`` messages.

    Parameters
    ----------
    options
        confluent-kafka client options.
    starts
        First offset of every partition that has messages.
    most
        Number of messages, over all partitions.
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
            [confluent_kafka.TopicPartition(*at, offset) for at, offset in starts.items()]
        )
        return _read(consumer, len(starts), most)
    finally:
        consumer.close()


def _read(consumer: Consumer, partitions: int, most: int) -> list[bytes]:
    """Read until there are enough, every partition has ended or time is up."""
    values: list[bytes] = []
    ended = 0
    deadline = Deadline(_TIMEOUT_S)
    while len(values) < most and ended < partitions and not deadline.has_passed:
        message = consumer.poll(0.1)
        if message is None:
            continue
        error, value = message.error(), message.value()
        if error is not None:
            ended += error.code() == KafkaError._PARTITION_EOF
        elif value is not None:
            values.append(value)
    return values
