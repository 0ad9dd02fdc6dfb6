"""Reader of a Kafka topic: whole, from a time, or from where a group of readers stopped."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from broker.client.progress import GroupProgress, Lag, StartOfReading, find_lag, find_start
from broker.errors import FatalError, UsageError
from broker.kafka.cluster import KafkaCluster
from broker.kafka.errors import ErrorCallback
from broker.kafka.positions import KafkaPosition, TopicPartition
from broker.kafka.topic_names import is_internal
from broker.nearest import nearest_first

CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.2
_SHOWN = 3
# Of a topic that was there when reading began.
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
_OPTIONS = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": "false",
    "enable.partition.eof": "true",
    # What a distributing transaction has not committed is not an alert yet.
    "isolation.level": "read_committed",
    # Errors come through error_cb; librdkafka would print them a second time.
    "log_level": "0",
    "socket.connection.setup.timeout.ms": "5000",
}


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """One Kafka message and its position."""

    value: bytes | None
    key: bytes | None
    origin: str
    """``<topic> partition <p> offset <o>``."""
    handled: Callable[[], None] = lambda: None
    """To be called when nobody needs the message again."""


def read_topic(
    topic: str,
    options: Mapping[str, str],
    timeout_seconds: float | None,
    start: StartOfReading | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[ReceivedMessage, None, None]:
    """Yield every message of a topic, oldest first within each partition.

    Parameters
    ----------
    options
        Of librdkafka; ``bootstrap.servers`` at least.
    timeout_seconds
        End after this many seconds without a message; 0 ends as soon as every partition has been
        read to its end, None never ends.
    start
        Where to begin; by default at the first message, leaving no trace on the broker.
    stopped
        Asked between messages and while none comes; True ends the reading.

    Raises
    ------
    UsageError
        There is no such topic.
    FatalError
        No broker answers, or it refuses us.
    """
    start = start or StartOfReading()
    connection = _Connection(options, start.group)
    with closing(connection.consumer):
        partitions = connection.partitions_of(topic)
        with connection.explained():
            positions = find_start(connection.consumer, partitions, start)
        connection.consumer.assign(positions)
        with GroupProgress(connection.consumer, topic, start) as progress:
            yield from _messages(connection, progress, len(partitions), timeout_seconds, stopped)


def lag_of(topic: str, options: Mapping[str, str], group: str) -> list[Lag]:
    """Lag of a group in each partition of a topic.

    Raises
    ------
    UsageError, FatalError
        As `read_topic`.
    """
    connection = _Connection(options, group)
    with closing(connection.consumer), connection.explained():
        partitions = connection.partitions_of(topic)
        return find_lag(connection.consumer, connection.cluster, partitions)


def _messages(
    connection: _Connection,
    progress: GroupProgress,
    n_partitions: int,
    timeout_seconds: float | None,
    stopped: Callable[[], bool],
) -> Generator[ReceivedMessage, None, None]:
    at_end: set[int] = set()
    last = time.monotonic()
    while not stopped():
        message = connection.poll()
        if message is not None:
            at, error = _position_of(message), message.error()
            if error is None:
                at_end.discard(at.partition)
                handled = progress.after(at.partition, at.offset + 1)
                yield ReceivedMessage(message.value(), message.key(), str(at), handled)
                last = time.monotonic()  # after the yield: the reader's own time is no silence
            elif error.code() == KafkaError._PARTITION_EOF:
                at_end.add(at.partition)
                progress.reach_end(at.partition, at.offset)
        all_read = len(at_end) == n_partitions
        if timeout_seconds == 0 and all_read:
            return
        if _silent(last, timeout_seconds, all_read):
            connection.check_alive()
            return


def _position_of(message: Message) -> KafkaPosition:
    return KafkaPosition(message.topic() or "", message.partition() or 0, message.offset() or 0)


def _silent(last: float, timeout_seconds: float | None, all_read: bool) -> bool:
    if timeout_seconds is None:
        return False
    # Connecting and fetching take time: an unread partition gets some whatever the timeout.
    patience = timeout_seconds if all_read else max(timeout_seconds, CONNECT_SECONDS)
    return time.monotonic() - last >= patience


class _Connection:
    """A consumer, its cluster, and the errors that come outside of any call."""

    def __init__(self, options: Mapping[str, str], group: str | None) -> None:
        self._servers = options.get("bootstrap.servers", "")
        self._user = options.get("sasl.username", "")
        self._errors = ErrorCallback(self._servers)
        name = group or f"nightjar-{uuid.uuid4()}"
        try:
            self.consumer = Consumer(
                {**options, **_OPTIONS, "group.id": name, "error_cb": self._errors}
            )
        except (KafkaException, ValueError) as error:
            raise UsageError(f"Kafka options cannot be used: {error}") from None
        self.cluster = KafkaCluster(options, CONNECT_SECONDS, "--servers")

    def partitions_of(self, topic: str) -> list[TopicPartition]:
        """Partitions of a topic; asks for some seconds when nobody answers."""
        known = self.cluster.partitions()
        found = sorted(at for at in known if at.topic == topic)
        if not found:
            names = {at.topic for at in known if not is_internal(at.topic)}
            raise UsageError(_unknown_topic(topic, names, self._servers, self._user))
        return found

    def poll(self) -> Message | None:
        """Next message, or None after a moment; errors that waiting cannot fix are raised."""
        message = self.consumer.poll(_POLL_SECONDS)
        if message is not None:
            error = message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                self._errors.forget()
            else:
                self._check_usable(error)
                self._errors(error)
        self._errors.check()
        return message

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Name the cause of an error that only the error callback was told."""
        try:
            yield
        except FatalError:
            self.poll()
            raise

    def check_alive(self) -> None:
        """Tell a silent topic from a cluster that has gone."""
        if self._errors.has_error:
            self.cluster.topics()

    def _check_usable(self, error: KafkaError) -> None:
        if error.code() in _GONE or error.fatal():
            what = "the topic is gone" if error.code() in _GONE else "the client gave up"
            raise FatalError(f"Kafka at {self._servers}: {what}: {error.str()}; start again")


def _unknown_topic(topic: str, known: Iterable[str], servers: str, user: str) -> str:
    near = nearest_first(topic, known)[:_SHOWN]
    there = f"; there is {', '.join(near)}" if near else "; it holds no topics yet"
    seen = f" that {user} may see" if user else ""
    return f"Kafka at {servers} has no topic {topic}{seen}{there}"
