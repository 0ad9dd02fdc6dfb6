"""Reader of a whole topic, from its first message, committed transactions only."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message

from broker.deadline import Deadline
from broker.errors import FatalError
from broker.kafka.errors import ErrorCallback

_AT_ONCE = 500
# Of a consumer that reads each partition once to its end: report the end, and soon. By default the
# broker waits half a second for more messages first.
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
    """Yield every message of a topic until its end, which may move on meanwhile.

    Parameters
    ----------
    options
        Options of confluent-kafka; ``bootstrap.servers`` at least.
    partitions
        Number of partitions of the topic.
    patience_seconds
        Longest time without any progress.

    Raises
    ------
    FatalError
        The topic cannot be read to its end.
    """
    servers = options["bootstrap.servers"]
    errors = ErrorCallback(servers)
    with closing(_consumer(options, errors)) as consumer:
        consumer.assign(_beginnings(topic, partitions))
        unread = set(range(partitions))
        deadline = Deadline(patience_seconds)
        while unread:
            for message in consumer.consume(_AT_ONCE, timeout=0.2):
                deadline.restart()
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition() or 0)
                else:
                    errors.check(error)
            errors.check()
            if deadline.has_passed:
                raise FatalError(
                    f"topic {topic} of Kafka at {servers} cannot be read to its end: "
                    f"{errors.reason}; try again when the broker is well"
                )


def _beginnings(topic: str, partitions: int) -> list[confluent_kafka.TopicPartition]:
    return [
        confluent_kafka.TopicPartition(topic, number, OFFSET_BEGINNING)
        for number in range(partitions)
    ]


def _consumer(options: Mapping[str, str], errors: ErrorCallback) -> Consumer:
    # The group is never joined, but librdkafka needs its name.
    group = {"group.id": f"nightjar-{uuid.uuid4()}", "error_cb": errors}
    return Consumer({**options, **_OPTIONS, **group})
