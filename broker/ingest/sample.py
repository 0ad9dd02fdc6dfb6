"""A few messages from where a stream will start: to learn their schemas and their size."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from broker.ingest.offsets import Place

_TIMEOUT_S = 5.0


def sample_messages(
    options: Mapping[str, str], starts: Mapping[Place, int], most: int
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
            "group.id": f"nightjar-sample-{uuid.uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        messages = consumer.consume(most, timeout=_TIMEOUT_S)
    finally:
        consumer.close()
    values = (message.value() for message in messages if message.error() is None)
    return [value for value in values if value is not None]
