"""A synthetic night that is made while it is played."""

from __future__ import annotations

from collections.abc import Iterator

from broker.simulator.messages import SimulatedAlert
from broker.simulator.synthetic import generate


class GeneratedNight:
    """A night of :mod:`broker.simulator.synthetic`, packet by packet.

    Parameters
    ----------
    available
        Number of alerts.
    seed
        The same seed makes the same alerts at each call.
    """

    span_days = 1.0

    def __init__(self, available: int, seed: int) -> None:
        self.available = available
        self._seed = seed

    def alerts(self) -> Iterator[SimulatedAlert]:
        """Every alert as it is made, by time."""
        first: float | None = None
        for packet in generate(self.available, self._seed):
            first = packet.jd if first is None else first
            name = f"synthetic alert {packet.candid}"
            yield SimulatedAlert(name, packet.jd - first, packet.object_id, packet.value)
