"""Messages into one Kafka topic, every delivery confirmed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from broker.errors import FatalError, UsageError

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
_ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.5
_SHOWN_FAILURES = 3
_PRODUCER = {
    "enable.idempotence": True,
    "message.max.bytes": MAX_MESSAGE_BYTES,
    # What waits in memory; `produce` says so when it is full.
    "queue.buffering.max.kbytes": 65_536,
    "message.timeout.ms": 30_000,
    "linger.ms": 5,
    "batch.size": 1_048_576,
    # The partition that Java clients choose for the same key.
    "partitioner": "murmur2_random",
    "log_level": 0,
}


@dataclass
class Deliveries:
    """Counts of what Kafka confirmed and refused."""

    sent: int = 0
    failed: int = 0
    sent_bytes: int = 0


class Sender:
    """A producer for one topic whose memory is bounded.

    Parameters
    ----------
    client
        Options of confluent-kafka clients: servers, security.
    topic
        Must exist.
    tell
        Shows a sentence to the user.
    """

    def __init__(self, client: Mapping[str, str], topic: str, tell: Callable[[str], None]) -> None:
        self.deliveries = Deliveries()
        self._topic = topic
        self._tell = tell
        self._servers = client["bootstrap.servers"]
        self._dead: KafkaError | None = None
        self._producer = Producer({**client, **_PRODUCER, "error_cb": self._on_error})

    def send(self, key: bytes, value: bytes) -> None:
        """Queue a message; waits while the queue is full.

        Raises
        ------
        FatalError
            Kafka does not take messages any more.
        """
        while True:
            try:
                self._producer.produce(
                    self._topic, value=value, key=key, on_delivery=self._on_delivery
                )
            except BufferError:
                self.serve(0.1)
            except KafkaException as error:
                self._fail(error.args[0])
                return
            else:
                self.serve(0.0)
                return

    def serve(self, seconds: float) -> None:
        """Handle deliveries for up to ``seconds``; one of them ends the wait."""
        self._producer.poll(seconds)
        self._check()

    def flush(self) -> None:
        """Return when every message has been confirmed or has failed.

        Raises
        ------
        FatalError
            Kafka does not take messages any more.
        """
        while self._producer.flush(0.5):
            self._check()
        self._check()

    def _on_delivery(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.deliveries.sent += 1
            self.deliveries.sent_bytes += len(message)
        else:
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        self.deliveries.failed += 1
        if self.deliveries.failed <= _SHOWN_FAILURES:
            self._tell(f"a message was not delivered: {error.str()}")
        if error.fatal() or error.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE):
            self._dead = self._dead or error

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._dead = self._dead or error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._tell(f"Kafka at {self._servers} does not answer any more; trying for 30 s")

    def _check(self) -> None:
        if self._dead is not None:
            # What still waits failed too: count it.
            self._producer.purge()
            self._producer.flush(_ANSWER_SECONDS)
            raise FatalError(
                f"Kafka at {self._servers} does not take messages any more: {self._dead.str()}"
            )


def prepare_topic(
    client: Mapping[str, str], topic: str, partitions: int, tell: Callable[[str], None]
) -> None:
    """Create a topic, for messages of up to 10 MB, unless it is there.

    Raises
    ------
    FatalError
        Kafka does not answer, refuses the login or the topic.
    UsageError
        The topic's name is impossible.
    """
    admin, known = _connect(client)
    if topic not in known:
        _create(admin, topic, partitions)
    elif len(known[topic].partitions) != partitions:
        tell(f"topic {topic} exists with {len(known[topic].partitions)} partitions; it keeps them")


def _create(admin: AdminClient, topic: str, partitions: int) -> None:
    new = NewTopic(
        topic,
        num_partitions=partitions,
        replication_factor=-1,
        config={"max.message.bytes": str(MAX_MESSAGE_BYTES)},
    )
    future = admin.create_topics([new], operation_timeout=_ANSWER_SECONDS)[topic]
    try:
        future.result(2 * _ANSWER_SECONDS)
    except KafkaException as error:
        reason = error.args[0]
        if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        if reason.code() in (KafkaError.TOPIC_EXCEPTION, KafkaError.INVALID_PARTITIONS):
            raise UsageError(f"Kafka refuses the topic {topic!r}: {reason.str()}") from None
        raise FatalError(f"cannot create the topic {topic!r}: {reason.str()}") from None


def _connect(client: Mapping[str, str]) -> tuple[AdminClient, Mapping[str, Any]]:
    """Admin client and the topics that it sees."""
    errors: list[KafkaError] = []
    options: dict[str, Any] = {**client, "error_cb": errors.append, "log_level": 0}
    admin = AdminClient(options)
    servers = client["bootstrap.servers"]
    end = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            return admin, admin.list_topics(timeout=_POLL_SECONDS).topics
        except KafkaException as error:
            last = error.args[0].str()
        admin.poll(0)  # calls errors.append
        for seen in errors:
            # The client tries these again for ever.
            if seen.code() == KafkaError._AUTHENTICATION:
                raise FatalError(f"Kafka at {servers} refuses the login: {seen.str()}")
            if seen.code() == KafkaError._SSL:
                raise FatalError(f"no TLS connection to Kafka at {servers}: {seen.str()}")
        if time.monotonic() > end:
            reason = errors[0].str() if errors else last
            raise FatalError(
                f"no Kafka answers at {servers} ({reason}); start one with "
                "`bin/nightjar kafka start` or set kafka.servers"
            )
