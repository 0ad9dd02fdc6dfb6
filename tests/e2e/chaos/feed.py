"""What a telescope with a bad night sends, with the truth about it in the headers."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from confluent_kafka import Producer

from broker.kafka.embedded.server import EmbeddedKafka
from broker.packets.schemas import Schema
from tests.crafted import JD, add_field, container, evolved, ztf_record
from tests.rubbish import (
    damaged_containers,
    damaged_lengths,
    damaged_schemas,
    senseless_values,
)

# Of a hundred messages; the rest are new and sound. Each schema that a batch brings for the first
# time is compiled, damaged ones too: with many of them nothing else would be tested.
_SHARES = {
    **{"again": 6, "changed": 3, "version": 4, "5 MB": 0.4},
    **{"corrupt": 6, "schema": 0.1, "1858": 1, "2400": 1},
}
SOUND = ("sound", "again", "changed", "version", "5 MB")
"""Kinds that become rows of the raw table; the others are for quarantine."""
_VERSIONS = 3
_STAMP_BYTES = 1_700_000
_JD = {"1858": 2_400_000.8, "2400": 2_597_641.3}
_MOST_BYTES = 10_000_000


@dataclass(frozen=True)
class Sent:
    """A message and what it is."""

    kind: str
    number: int
    value: bytes | None


def messages(seed: int) -> Iterator[Sent]:
    """Endless messages of a seed."""
    rng = random.Random(f"messages {seed}")
    rubbish = {kind: list(cases.values()) for kind, cases in _rubbish().items()}
    kinds, weights = ["sound", *_SHARES], [100 - sum(_SHARES.values()), *_SHARES.values()]
    number = 0
    while True:
        (kind,) = rng.choices(kinds, weights)
        if kind in ("again", "changed") and number:
            known = rng.randrange(max(0, number - 500), number)
            changes = {"magpsf": 18.25} if kind == "changed" else {}
            yield Sent(kind, known, container(_record(known, **changes)))
        elif kind in rubbish:
            yield Sent(kind, -1, rng.choice(rubbish[kind])[0])
        elif kind in _JD:
            yield Sent(kind, -1, container(ztf_record(10**9, _JD[kind])))
        else:
            kind = "sound" if kind in ("again", "changed") else kind
            yield Sent(kind, number, _new(kind, number, rng.randrange(_VERSIONS)))
            number += 1


def _record(number: int, stamp_bytes: int = 300, **candidate: float) -> object:
    return ztf_record(number, JD + (number % 3 == 0), stamp_bytes, **candidate)


def _new(kind: str, number: int, version: int) -> bytes:
    if kind == "version":
        return container({**_record(number), f"extra_{version}": version}, _version(version))
    return container(_record(number, _STAMP_BYTES if kind == "5 MB" else 300))


@cache
def _version(version: int) -> Schema:
    """A version of the schema that nobody has announced."""
    return evolved(lambda schema: add_field(schema, f"extra_{version}", "int"))


@cache
def _rubbish() -> dict[str, dict[str, tuple[bytes | None, str]]]:
    """Messages that cannot be used: with a schema that is known, and with a damaged one."""
    known: dict[str, tuple[bytes | None, str]] = {
        **damaged_containers(),
        **damaged_lengths(),
        **senseless_values(),
    }
    return {"corrupt": known, "schema": dict(damaged_schemas())}


class Feed:
    """Sends messages at a steady rate until it is told to stop; Kafka may come and go.

    Parameters
    ----------
    seed, per_second
        Which messages, and how many a second.
    """

    def __init__(
        self, kafka: EmbeddedKafka, topic: str, partitions: int, seed: int, per_second: float
    ) -> None:
        self._topic, self._partitions = topic, partitions
        self._seed, self._per_second = seed, per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._producer = Producer(
            {
                **kafka.client_options(),
                "message.max.bytes": _MOST_BYTES,
                # As long as it takes: Kafka is away now and then.
                "message.timeout.ms": 0,
                "enable.idempotence": True,
                "log_level": 0,
                "error_cb": lambda _: None,
            }
        )

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def finish(self) -> None:
        """Stop, and wait until Kafka has everything."""
        self._over.set()
        self._thread.join()
        assert self._producer.flush(120) == 0

    def _send(self) -> None:
        rng = random.Random(self._seed)
        for message in messages(self._seed):
            if self._over.wait(rng.expovariate(self._per_second)):
                return
            headers = [("kind", message.kind.encode()), ("number", b"%d" % message.number)]
            self._producer.produce(
                self._topic,
                message.value,
                partition=rng.randrange(self._partitions),
                headers=headers,
            )
            self._producer.poll(0)
