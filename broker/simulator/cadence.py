"""When each alert is due, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

SECONDS_PER_DAY = 86_400.0
# A stop is heard within this time.
_NAP_SECONDS = 0.25

# (place in the stream, days since the stream's first alert) → seconds after the start
Cadence = Callable[[int, float], float]


class PacingClock(Protocol):
    """Seconds, and a way to let them pass."""

    def now(self) -> float:
        """Seconds since any fixed moment."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""


class SystemClock:
    """The real time.

    Parameters
    ----------
    idle
        Does background work for about the seconds it is given instead of sleeping.
    """

    def __init__(self, idle: Callable[[float], None] = time.sleep) -> None:
        self._idle = idle

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Idle until ``seconds`` have passed."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0:
            self._idle(left)


class Pacer:
    """Wait for the alerts' moments; one that is late is due at once, and none is left out.

    Parameters
    ----------
    cadence
        When each alert is due.
    clock
        What to wait by.
    is_stopped
        Ends any wait early once it says so.
    """

    def __init__(
        self, cadence: Cadence, clock: PacingClock, is_stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._cadence = cadence
        self._clock = clock
        self._is_stopped = is_stopped
        self._start = clock.now()

    def wait(self, index: int, days: float) -> bool:
        """Return true when alert number ``index``, ``days`` into the stream, is due.

        False: it never will be, since the stream was stopped.
        """
        due = self._cadence(index, days)
        while (left := due - self.elapsed()) > 0 and not self._is_stopped():
            self._clock.sleep(min(left, _NAP_SECONDS))
        return not self._is_stopped()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock.now() - self._start


def at_once() -> Cadence:
    """Everything as fast as Kafka takes it."""
    return lambda _index, _days: 0.0


def steady(alerts_per_second: float) -> Cadence:
    """Equal distances in time."""
    return lambda index, _days: index / alerts_per_second


def recorded(speed: float) -> Cadence:
    """The alerts' own distances in time, ``speed`` times faster."""
    return lambda _index, days: days * SECONDS_PER_DAY / speed


def bursts(size: int, every_seconds: float) -> Cadence:
    """``size`` alerts at once, then nothing until ``every_seconds`` after the last start."""
    return lambda index, _days: (index // size) * every_seconds
