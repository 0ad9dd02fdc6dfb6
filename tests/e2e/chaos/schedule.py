"""What is broken when: drawn from a seed, so that a failure can be repeated."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

KILL, STOP_KAFKA, KILL_KAFKA, FULL_DISK = "kill", "stop Kafka", "kill Kafka", "full disk"
# One round; rounds follow each other, each in an order of its own.
_ROUND = (KILL, STOP_KAFKA, KILL, FULL_DISK, KILL, KILL_KAFKA, KILL, FULL_DISK)
_VICTIMS = ("python", "jvm", "both")
# So long may a file still grow while the disk is full: nothing, a ledger row, half a batch.
_ROOM_BYTES = (0, 2_000, 100_000)


@dataclass(frozen=True)
class Event:
    """One blow.

    Parameters
    ----------
    at
        Seconds after the beginning.
    stage
        Whom it hits; nobody in particular for Kafka.
    victim
        Of a kill: the driver's Python, its JVM, or both.
    seconds
        How long Kafka stays away, or the disk full.
    room_bytes
        Size that a file may still have on the full disk.
    """

    at: float
    what: str
    stage: str = ""
    victim: str = ""
    seconds: float = 0.0
    room_bytes: int = 0

    def __str__(self) -> str:
        details = {
            KILL: f"{self.victim} of {self.stage}",
            FULL_DISK: f"for {self.stage}, {self.room_bytes} bytes left, {self.seconds:.1f} s",
        }
        return f"{self.at:7.1f} s  {self.what} {details.get(self.what, f'{self.seconds:.1f} s')}"


def schedule(seed: int, seconds: float, every: float, stages: Sequence[str]) -> list[Event]:
    """Blows at random moments, one about every so many seconds."""
    rng = random.Random(seed)
    kinds, at, events = _kinds(rng), 0.0, []
    while (at := at + every * rng.uniform(0.6, 1.4)) < seconds:
        what, stage = next(kinds), rng.choice(stages)
        if what == KILL:
            events.append(Event(at, what, stage, victim=rng.choice(_VICTIMS)))
        elif what == FULL_DISK:
            room = rng.choice(_ROOM_BYTES)
            events.append(Event(at, what, stage, seconds=rng.uniform(3, 12), room_bytes=room))
        else:
            events.append(Event(at, what, seconds=rng.uniform(1, 15)))
    return events


def _kinds(rng: random.Random) -> Iterator[str]:
    while True:
        yield from rng.sample(_ROUND, len(_ROUND))
