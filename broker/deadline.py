"""Deadline: how long something is tried again before it counts as failed."""

from __future__ import annotations

import time


class Deadline:
    """A moment some seconds from now, by a clock that nobody sets.

    Parameters
    ----------
    seconds
        From now, and again from each `restart`.

    Examples
    --------
    >>> deadline = Deadline(0.0)
    >>> deadline.has_passed
    True
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.restart()

    @property
    def has_passed(self) -> bool:
        """Whether the moment has come."""
        return self.left <= 0

    @property
    def left(self) -> float:
        """Seconds that are left; 0 once it has passed."""
        return max(0.0, self._end - time.monotonic())

    def restart(self) -> None:
        """Count the seconds from now again."""
        self._end = time.monotonic() + self.seconds
