"""Where to begin in a topic, how far a group of readers has come, and how far it is behind."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from broker.errors import FatalError

_TIMEOUT_SECONDS = 10.0
_KEEP_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StartOfReading:
    """Where to begin: at a time, else where a group has stopped, else at the first message.

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
    """How far a group is behind in one partition.

    Parameters
    ----------
    position
        Offset where the group goes on; None when it has read nothing yet.
    end
        Offset behind the last committed message.
    behind
        Offsets between the two that are still there: each is an alert, or the end of a transaction.
    """

    partition: int
    position: int | None
    end: int
    behind: int


def find_start(
    consumer: Consumer, topic: str, partitions: Sequence[int], start: StartOfReading
) -> list[TopicPartition]:
    """Place in each partition where reading begins."""
    first = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions]
    try:
        if start.since is not None:
            since_ms = int(start.since.timestamp() * 1000)
            at = [TopicPartition(topic, number, since_ms) for number in partitions]
            # A partition without anything as late starts at its end.
            return consumer.offsets_for_times(at, timeout=_TIMEOUT_SECONDS)
        if start.group is not None:
            committed = consumer.committed(first, timeout=_TIMEOUT_SECONDS)
            return [
                place
                if place.offset >= 0
                else TopicPartition(topic, place.partition, OFFSET_BEGINNING)
                for place in committed
            ]
    except KafkaException as error:
        raise _unknown_place(topic, error) from None
    return first


def find_lag(consumer: Consumer, topic: str, partitions: Sequence[int]) -> list[Lag]:
    """How far the consumer's group is behind, partition by partition."""
    places = [TopicPartition(topic, number) for number in partitions]
    found = []
    try:
        for place in consumer.committed(places, timeout=_TIMEOUT_SECONDS):
            low, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
            position = place.offset if place.offset >= 0 else None
            behind = high - max(low, position or 0)
            found.append(Lag(place.partition, position, high, max(0, behind)))
    except KafkaException as error:
        raise _unknown_place(topic, error) from None
    return found


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
        places = [TopicPartition(self._topic, p, offset) for p, offset in self._handled.items()]
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            raise FatalError(
                f"how far the group has come in {self._topic} cannot be kept: "
                f"{error.args[0].str()}; what was read last comes again next time"
            ) from None


def _unknown_place(topic: str, error: KafkaException) -> FatalError:
    return FatalError(f"Kafka does not tell where to begin in {topic}: {error.args[0].str()}")
