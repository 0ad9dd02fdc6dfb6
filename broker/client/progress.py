"""Progress of a group of readers in a topic: where it begins, what it keeps, its lag."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaException

from broker.errors import FatalError
from broker.kafka.cluster import KafkaCluster
from broker.kafka.positions import TopicPartition

_TIMEOUT_SECONDS = 10.0
_KEEP_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StartOfReading:
    """Start of reading: at a time, else where a group has stopped, else at the first message.

    Parameters
    ----------
    before_keep
        Makes what was read durable; called once, at the end, before the group's progress is kept.
        Without it progress is kept now and then.
    """

    group: str | None = None
    since: dt.datetime | None = None
    before_keep: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """Lag of a group in one partition.

    Parameters
    ----------
    offset
        Where the group goes on; None when it has read nothing yet.
    end
        Offset behind the last committed message.
    behind
        Offsets between the two that are still there: each is an alert, or the end of a transaction.
    """

    partition: int
    offset: int | None
    end: int
    behind: int


def find_start(
    consumer: Consumer, partitions: Sequence[TopicPartition], start: StartOfReading
) -> list[confluent_kafka.TopicPartition]:
    """Offset in each partition where reading begins, as a consumer is assigned it."""
    first = [confluent_kafka.TopicPartition(*at, OFFSET_BEGINNING) for at in partitions]
    try:
        if start.since is not None:
            since_ms = int(start.since.timestamp() * 1000)
            times = [confluent_kafka.TopicPartition(*at, since_ms) for at in partitions]
            # A partition without anything as late starts at its end.
            return consumer.offsets_for_times(times, timeout=_TIMEOUT_SECONDS)
        if start.group is not None:
            kept = _committed(consumer, partitions)
            return [
                confluent_kafka.TopicPartition(*at, kept.get(at, OFFSET_BEGINNING))
                for at in partitions
            ]
    except KafkaException as error:
        raise FatalError(
            f"Kafka does not say where to begin in {partitions[0].topic}: {error.args[0].str()}"
        ) from None
    return first


def find_lag(
    consumer: Consumer, cluster: KafkaCluster, partitions: Sequence[TopicPartition]
) -> list[Lag]:
    """Lag of the consumer's group, partition by partition."""
    try:
        kept = _committed(consumer, partitions)
    except KafkaException as error:
        raise FatalError(
            f"Kafka does not say how far the group has come in {partitions[0].topic}: "
            f"{error.args[0].str()}"
        ) from None
    ends = cluster.watermarks(set(partitions), IsolationLevel.READ_COMMITTED)
    found = []
    for at in filter(ends.__contains__, partitions):
        low, high = ends[at]
        behind = high - max(low, kept.get(at, 0))
        found.append(Lag(at.partition, kept.get(at), high, max(0, behind)))
    return found


def _committed(
    consumer: Consumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """Offset that the group goes on from, for the partitions that it has read from."""
    asked = [confluent_kafka.TopicPartition(*at) for at in partitions]
    return {
        TopicPartition(found.topic, found.partition): found.offset
        for found in consumer.committed(asked, timeout=_TIMEOUT_SECONDS)
        if found.offset >= 0
    }


class GroupProgress:
    """Keeps on the broker how far a group has come; of a reader without a group, nothing."""

    def __init__(self, consumer: Consumer, topic: str, start: StartOfReading) -> None:
        self._consumer = consumer
        self._topic = topic
        self._start = start
        self._handed_out: dict[int, int] = {}
        self._handled: dict[int, int] = {}
        self._kept_at = time.monotonic()

    def __enter__(self) -> GroupProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._start.before_keep is not None:
            self._start.before_keep()
        self._keep()

    def after(self, partition: int, offset: int) -> Callable[[], None]:
        """Note a message as handed out; what is returned notes it as handled."""
        self._handed_out[partition] = offset

        def handled() -> None:
            self._handled[partition] = offset
            is_late = time.monotonic() - self._kept_at > _KEEP_EVERY_SECONDS
            if is_late and self._start.before_keep is None:
                self._keep()

        return handled

    def reach_end(self, partition: int, offset: int) -> None:
        """Step over what is no message, where everything before it has been handled."""
        if self._handed_out.get(partition) == self._handled.get(partition):
            self._handed_out[partition] = self._handled[partition] = offset

    def _keep(self) -> None:
        self._kept_at = time.monotonic()
        if self._start.group is None or not self._handled:
            return
        offsets = [
            confluent_kafka.TopicPartition(self._topic, partition, offset)
            for partition, offset in self._handled.items()
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise FatalError(
                f"how far the group has come in {self._topic} cannot be kept: "
                f"{error.args[0].str()}; what was read last comes again next time"
            ) from None
