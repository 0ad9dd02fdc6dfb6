"""Spoil a stream on purpose: corrupted messages, repeats, disorder. The seed decides which."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from broker.simulator.messages import FramedMessage

# A repeat follows its first copy by up to so many messages.
REPEAT_WITHIN = 100


@dataclass(frozen=True)
class Faults:
    """Faults to make in a stream of messages.

    Parameters
    ----------
    corrupt_fraction
        Chance (0–1) of a message to be sent corrupted instead of whole.
    repeat_fraction
        Chance (0–1) of a whole message to be sent a second time.
    shuffle_window
        A message may come so many places early or late.
    seed
        The same seed spoils the same messages in the same way.
    """

    corrupt_fraction: float = 0.0
    repeat_fraction: float = 0.0
    shuffle_window: int = 0
    seed: int = 0


@dataclass
class FaultCounts:
    """Number of messages spoilt so far, by fault."""

    corrupted: int = 0
    repeated: int = 0


def spoil(
    messages: Iterator[FramedMessage], faults: Faults, counts: FaultCounts
) -> Iterator[FramedMessage]:
    """Apply the faults, each with its own random numbers; memory is bounded by the windows."""
    if faults.corrupt_fraction:
        messages = _corrupted(messages, faults, counts)
    if faults.repeat_fraction:
        messages = _repeated(messages, faults, counts)
    if faults.shuffle_window:
        messages = _shuffled(messages, faults)
    return messages


def truncated(value: bytes, rng: random.Random) -> bytes:
    """Some of the beginning, as after a lost connection."""
    return value[: rng.randrange(len(value))] if value else value


def empty(_value: bytes, _rng: random.Random) -> bytes:
    """No bytes at all."""
    return b""


def noise(value: bytes, rng: random.Random) -> bytes:
    """Random bytes of the same length."""
    return rng.randbytes(len(value))


def defaced(value: bytes, _rng: random.Random) -> bytes:
    """The first 16 bytes, where every framing has its mark, are overwritten."""
    return b"\xff" * min(16, len(value)) + value[16:]


def line_endings(value: bytes, _rng: random.Random) -> bytes:
    r"""Every ``\n`` became ``\r\n``, as in packets that went through a text-mode copy."""
    return value.replace(b"\n", b"\r\n")


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    truncated,
    empty,
    noise,
    defaced,
    line_endings,
)


def corrupt(value: bytes, rng: random.Random) -> bytes:
    """Value corrupted in one of the ways of ``KINDS``; never the value itself."""
    for kind in rng.sample(KINDS, len(KINDS)):
        spoilt = kind(value, rng)
        if spoilt != value:
            return spoilt
    return b"\xff"  # an empty value has nothing to lose


def _corrupted(
    messages: Iterator[FramedMessage], faults: Faults, counts: FaultCounts
) -> Iterator[FramedMessage]:
    rng = random.Random(f"corrupt {faults.seed}")
    for message in messages:
        if rng.random() < faults.corrupt_fraction:
            counts.corrupted += 1
            yield replace(message, value=corrupt(message.value, rng), is_whole=False)
        else:
            yield message


def _repeated(
    messages: Iterator[FramedMessage], faults: Faults, counts: FaultCounts
) -> Iterator[FramedMessage]:
    rng = random.Random(f"repeat {faults.seed}")
    waiting: list[tuple[int, int, FramedMessage]] = []
    for index, message in enumerate(messages):
        yield message
        if message.is_whole and rng.random() < faults.repeat_fraction:
            counts.repeated += 1
            due = index + rng.randrange(REPEAT_WITHIN)
            heapq.heappush(waiting, (due, index, message))
        while waiting and waiting[0][0] <= index:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _shuffled(messages: Iterator[FramedMessage], faults: Faults) -> Iterator[FramedMessage]:
    """Sort by place plus a random part of the window: nobody moves further than the window."""
    rng = random.Random(f"shuffle {faults.seed}")
    waiting: list[tuple[float, int, FramedMessage]] = []
    for index, message in enumerate(messages):
        heapq.heappush(waiting, (index + rng.uniform(0, faults.shuffle_window), index, message))
        while waiting and waiting[0][0] <= index:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
