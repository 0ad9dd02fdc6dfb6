"""Finding of the audit: one equation, its figures and where it does not hold."""

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
