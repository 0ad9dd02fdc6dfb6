"""Read what a topic holds: whole, from its first message, committed transactions only."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from broker.errors import FatalError
from broker.kafka.errors import ErrorCallback

_AT_ONCE = 500
# Of a consumer that reads once, until each partition has ended: to be told so, and soon. By default
# the broker waits half a second for more first.
TO_THE_END = {"enable.partition.eof": "true", "fetch.wait.max.ms": "20"}
_OPTIONS = {
    **TO_THE_END,
    "enable.auto.commit": "false",
    "isolation.level": "read_committed",
    "queued.max.messages.kbytes": "16384",
    "log_level": "0",
}


def read_committed(
    options: Mapping[str, str], topic: str, partitions: int, patience_seconds: float
) -> Iterator[Message]:
    """Yield every message of a topic up to its end, which may move on meanwhile.

    Parameters
    ----------
    options
        Options of confluent-kafka; ``bootstrap.servers`` at least.
    partitions
        How many the topic has.
    patience_seconds
        Longest time without any progress.

    Raises
    ------
    FatalError
        The topic cannot be read to its end.
    """
    servers = options["bootstrap.servers"]
    trouble = ErrorCallback(servers)
    with closing(_consumer(options, trouble)) as consumer:
        starts = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)]
        consumer.assign(starts)
        unread = set(range(partitions))
        deadline = time.monotonic() + patience_seconds
        while unread:
            for message in consumer.consume(_AT_ONCE, timeout=0.2):
                deadline = time.monotonic() + patience_seconds
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition() or 0)
                else:
                    trouble.check(error)
            trouble.check()
            if time.monotonic() > deadline:
                raise FatalError(
                    f"topic {topic} of Kafka at {servers} cannot be read to its end: "
                    f"{trouble.reason}; try again when the broker is well"
                )


def first_offsets(
    options: Mapping[str, str], topic: str, partitions: int, patience_seconds: float
) -> dict[int, int]:
    """First offset that each partition still has: above 0 once messages have expired.

    Raises
    ------
    FatalError
        The cluster does not tell.
    """
    with closing(_consumer(options, ErrorCallback(options["bootstrap.servers"]))) as consumer:
        try:
            return {
                p: consumer.get_watermark_offsets(TopicPartition(topic, p), patience_seconds)[0]
                for p in range(partitions)
            }
        except KafkaException as error:
            raise FatalError(f"topic {topic} does not tell where it begins: {error}") from None


def _consumer(options: Mapping[str, str], trouble: ErrorCallback) -> Consumer:
    # The group is never joined; librdkafka wants a name.
    group = {"group.id": f"nightjar-{uuid.uuid4()}", "error_cb": trouble}
    return Consumer({**options, **_OPTIONS, **group})
