"""Read a Kafka topic: whole, from a time, or from where a group of readers has stopped."""

from __future__ import annotations

import difflib
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from broker.client.progress import GroupProgress, Lag, StartOfReading, find_lag, find_start
from broker.errors import FatalError, UsageError

CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.2
# Errors that no waiting mends.
_HOPELESS = {
    KafkaError._AUTHENTICATION: "the user or password is wrong",
    KafkaError._SSL: "TLS does not work",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the topic is gone",
    KafkaError._UNKNOWN_TOPIC: "the topic is gone",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "reading the topic is not allowed",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "using the consumer group is not allowed",
}
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
    """One Kafka record and where it lies."""

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
        End after so long without a message; 0 ends as soon as every partition has been read to
        its end, None never ends.
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
            places = find_start(connection.consumer, topic, partitions, start)
        connection.consumer.assign(places)
        with GroupProgress(connection.consumer, topic, start) as progress:
            yield from _messages(connection, progress, len(partitions), timeout_seconds, stopped)


def lag_of(topic: str, options: Mapping[str, str], group: str) -> list[Lag]:
    """How far a group is behind in each partition of a topic.

    Raises
    ------
    UsageError, FatalError
        As `read_topic`.
    """
    connection = _Connection(options, group)
    with closing(connection.consumer), connection.explained():
        return find_lag(connection.consumer, topic, connection.partitions_of(topic))


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
        record = connection.poll()
        if record is not None and record.error() is None:
            at_end.discard(record.partition())
            yield ReceivedMessage(
                record.value(),
                record.key(),
                f"{record.topic()} partition {record.partition()} offset {record.offset()}",
                progress.after(record.partition(), record.offset() + 1),
            )
            last = time.monotonic()  # after the yield: the reader's own time is no silence
        elif record is not None and record.error().code() == KafkaError._PARTITION_EOF:
            at_end.add(record.partition())
            progress.reach_end(record.partition(), record.offset())
        all_read = len(at_end) == n_partitions
        if timeout_seconds == 0 and all_read:
            return
        if _silent(last, timeout_seconds, all_read):
            connection.check_alive()
            return


def _silent(last: float, timeout_seconds: float | None, all_read: bool) -> bool:
    if timeout_seconds is None:
        return False
    # Connecting and fetching take their time: an unread partition gets some whatever the timeout.
    patience = timeout_seconds if all_read else max(timeout_seconds, CONNECT_SECONDS)
    return time.monotonic() - last >= patience


class _Connection:
    """A consumer, and what went wrong with it outside of any call."""

    def __init__(self, options: Mapping[str, str], group: str | None) -> None:
        self.servers = options.get("bootstrap.servers", "")
        self._user = options.get("sasl.username", "")
        self._trouble: KafkaError | None = None
        name = group or f"nightjar-{uuid.uuid4()}"
        try:
            self.consumer = Consumer(
                {**options, **_OPTIONS, "group.id": name, "error_cb": self._note}
            )
        except (KafkaException, ValueError) as error:
            raise UsageError(f"Kafka options cannot be used: {error}") from None

    def partitions_of(self, topic: str) -> list[int]:
        """Partitions of a topic; knocks for some seconds if nobody answers."""
        # All topics at once, since asking for one by name may create it.
        known = self._metadata().topics
        if topic not in known:
            raise UsageError(_unknown_topic(topic, list(known), self.servers, self._user))
        error = known[topic].error
        if error is not None:
            self._raise_hopeless(error)
            raise FatalError(f"Kafka at {self.servers} cannot serve {topic}: {error.str()}")
        return sorted(known[topic].partitions)

    def poll(self) -> Any:
        """Next record, or None after a moment; hopeless errors are raised."""
        record = self.consumer.poll(_POLL_SECONDS)
        if record is not None:
            error = record.error()
            at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
            self._trouble = None if at_end else error
        if self._trouble is not None:
            self._raise_hopeless(self._trouble)
        return record

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Name the cause of an error where only error_cb was told it."""
        try:
            yield
        except FatalError:
            self.poll()
            raise

    def check_alive(self) -> None:
        """Tell a silent topic from a broker that has gone."""
        if self._trouble is not None:
            self._metadata()

    def _metadata(self) -> Any:
        deadline = time.monotonic() + CONNECT_SECONDS
        while time.monotonic() < deadline:
            try:
                return self.consumer.list_topics(timeout=0.5)
            except KafkaException:
                self.poll()  # serves error_cb, which knows why
        cause = f" ({self._trouble.str()})" if self._trouble is not None else ""
        raise FatalError(
            f"no Kafka answers at {self.servers} within {CONNECT_SECONDS:.0f} s{cause}; "
            "`bin/nightjar kafka start` starts one here, --servers HOST:PORT names another"
        )

    def _note(self, error: KafkaError) -> None:
        self._trouble = error

    def _raise_hopeless(self, error: KafkaError) -> None:
        if error.code() in _HOPELESS or error.fatal():
            reason = _HOPELESS.get(error.code(), "fatal error")
            raise FatalError(f"Kafka at {self.servers}: {reason}: {error.str()}")


def _unknown_topic(topic: str, known: list[str], servers: str, user: str) -> str:
    ours = sorted(name for name in known if not name.startswith("__"))
    near = difflib.get_close_matches(topic, ours, n=3, cutoff=0.5) or ours[:10]
    there = f"; there is {', '.join(near)}" if near else "; it holds no topics yet"
    seen = f" that {user} may see" if user else ""
    return f"Kafka at {servers} has no topic {topic}{seen}{there}"
