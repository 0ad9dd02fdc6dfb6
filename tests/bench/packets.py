"""Packets of a synthetic night: made once, into a file, and sent from there as fast as can be."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker.kafka.embedded.server import EmbeddedKafka
from broker.simulator.generated import GeneratedNight

SEED = 1
_HEAD = struct.Struct("<qI")  # alert id, length of the packet
_PATIENCE_SECONDS = 120.0


def make_packets(path: Path, count: int) -> float:
    """Write a night of so many alerts, unless the file has them already.

    Returns
    -------
    Mean size of its first ``count`` packets, bytes.
    """
    if not path.exists() or len(_lengths(path, count)) < count:
        unfinished = path.with_name(f"{path.name}.unfinished")
        with unfinished.open("wb") as file:
            for alert in GeneratedNight(count, SEED).alerts():
                file.write(_HEAD.pack(int(alert.name.split()[-1]), len(alert.value)))
                file.write(alert.value)
        unfinished.rename(path)
    lengths = _lengths(path, count)
    return sum(lengths) / len(lengths)


def _lengths(path: Path, most: int) -> list[int]:
    lengths: list[int] = []
    with path.open("rb") as file:
        while len(lengths) < most and (head := file.read(_HEAD.size)):
            lengths.append(_HEAD.unpack(head)[1])
            file.seek(lengths[-1], 1)
    return lengths


class Sender:
    """Sends the packets of a file into a topic, the next ones at each call.

    Parameters
    ----------
    kafka
        Where the topic is made; Kafka's own clock stamps what is appended.
    packets
        File of `make_packets`, open at its first packet.

    Attributes
    ----------
    appended
        Alert → when Kafka appended its packet, seconds since 1970.
    """

    def __init__(
        self, kafka: EmbeddedKafka, topic: str, partitions: int, packets: BinaryIO
    ) -> None:
        config = {"message.timestamp.type": "LogAppendTime"}
        admin = AdminClient(kafka.client_options())  # takes its futures along when it goes
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)
        self._topic = topic
        self._partitions = partitions
        self._packets = packets
        options: dict[str, str | int] = {
            "linger.ms": 5,
            "batch.size": 4_000_000,
            "queue.buffering.max.kbytes": 262_144,
            "message.max.bytes": 10_000_000,
        }
        self._producer = Producer({**kafka.client_options(), **options})
        self.appended: dict[int, float] = {}

    def send(self, count: int) -> list[int]:
        """Send the next alerts; their ids, once Kafka has confirmed all of them."""
        ids = []
        for number, (alert_id, value) in enumerate(self._next(count)):
            self._queue(alert_id, value, number % self._partitions)
            ids.append(alert_id)
        unsent = self._producer.flush(_PATIENCE_SECONDS)
        missing = sum(alert_id not in self.appended for alert_id in ids)
        if unsent or missing or len(ids) != count:
            raise SystemExit(f"of {count} packets for {self._topic} {missing} were not confirmed")
        return ids

    def _next(self, count: int) -> Iterator[tuple[int, bytes]]:
        for _ in range(count):
            alert_id, length = _HEAD.unpack(self._packets.read(_HEAD.size))
            yield alert_id, self._packets.read(length)

    def _queue(self, alert_id: int, value: bytes, partition: int) -> None:
        noting = self._noting(alert_id)
        while True:
            try:
                self._producer.produce(self._topic, value, partition=partition, on_delivery=noting)
            except BufferError:
                self._producer.poll(0.05)
            else:
                self._producer.poll(0)
                return

    def _noting(self, alert_id: int) -> Callable[[KafkaError | None, Message], None]:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.appended[alert_id] = message.timestamp()[1] / 1e3

        return delivered
