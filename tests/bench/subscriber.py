"""A subscriber to every topic of a site, who notes when each message arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from broker.kafka.embedded.server import EmbeddedKafka
from tests.e2e.distribution.distributing import header

_QUIET_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Arrival:
    """A committed message: of which topic and alert, and when it was here (seconds since 1970)."""

    topic: str
    alert_id: int
    at: float


class Subscriber:
    """Reads the topics from their beginning on, committed messages only, while it is entered.

    At the end it reads on until nothing more comes.

    Parameters
    ----------
    topics
        Must exist.

    Attributes
    ----------
    arrivals
        In the order of arrival.
    """

    def __init__(self, kafka: EmbeddedKafka, topics: Sequence[str]) -> None:
        options = {
            **kafka.client_options(),
            "group.id": "bench",  # librdkafka wants a name; nothing is committed
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": "50",
        }
        self._consumer = Consumer(options)
        known = self._consumer.list_topics(timeout=30).topics
        self._consumer.assign(
            [
                TopicPartition(topic, number, OFFSET_BEGINNING)
                for topic in topics
                for number in known[topic].partitions
            ]
        )
        self.arrivals: list[Arrival] = []
        self._trouble: Exception | None = None
        self._ending = threading.Event()
        # A daemon: whatever goes wrong elsewhere, the program's end does not wait for it.
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join(_PATIENCE_SECONDS)
        if error is None and (self._trouble or self._thread.is_alive()):
            raise SystemExit(f"the subscriber did not read to the end: {self._trouble}")

    def _read(self) -> None:
        try:
            self._read_on()
        except KafkaException as trouble:
            self._trouble = trouble
        finally:
            self._consumer.close()

    def _read_on(self) -> None:
        last = time.monotonic()
        while not self._ending.is_set() or time.monotonic() - last < _QUIET_SECONDS:
            message = self._consumer.poll(0.1)
            if message is None:
                continue
            now, last = time.time(), time.monotonic()
            if (failure := message.error()) is not None:
                raise KafkaException(failure)
            alert_id = int(header(message, "alert_id"))
            self.arrivals.append(Arrival(message.topic() or "", alert_id, now))
