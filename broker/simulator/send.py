"""Producer for one Kafka topic, every delivery confirmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from broker.errors import FatalError
from broker.kafka.cluster import KafkaCluster
from broker.sinks.transactions import MAX_MESSAGE_BYTES

_ANSWER_SECONDS = 5.0
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
    """Create a topic, for messages of at most 10 MB, unless it exists.

    Raises
    ------
    FatalError
        Kafka does not answer, refuses the login or the topic.
    UsageError
        No topic can have this name or number of partitions.
    """
    cluster = KafkaCluster(client, _ANSWER_SECONDS, "kafka.servers")
    found = cluster.topics().get(topic)
    if found is None:
        cluster.create_topic(topic, partitions, {"max.message.bytes": str(MAX_MESSAGE_BYTES)})
    elif found != partitions:
        tell(f"topic {topic} exists with {found} partitions; it keeps them")
