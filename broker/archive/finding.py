"""What an equation of the audit found, and for which nights it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One equation over everything it was asked for.

    Parameters
    ----------
    name
        The equation in words.
    summary
        The figures on both sides.
    differences
        Where it does not hold, naming batch, partition or night; none when it holds.
    """

    name: str
    summary: str
    differences: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether the equation is true everywhere."""
        return not self.differences


@dataclass(frozen=True)
class NightRange:
    """Nights ``first`` to ``last``, both included; all of them by default."""

    first: int = 0
    last: int = 99_999_999

    def __contains__(self, night: int) -> bool:
        return self.first <= night <= self.last
