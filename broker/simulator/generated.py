"""A night that is made while it is played."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from broker.packets.framing import Decoder
from broker.simulator.messages import Alert, Identifier


class GeneratedNight:
    """Packets of a generator, in its order.

    Parameters
    ----------
    available
        How many it makes.
    generate
        Starts the generator anew: the same packets at each call.
    """

    span_days = 1.0

    def __init__(self, available: int, generate: Callable[[], Iterator[bytes]]) -> None:
        self.available = available
        self._generate = generate

    def alerts(self) -> Iterator[Alert]:
        """Every alert as it is made."""
        decoder, identifier = Decoder(), Identifier()
        first: float | None = None
        for number, value in enumerate(self._generate(), start=1):
            packet = decoder.decode(value)
            identity = identifier.identify(packet.record, packet.schema)
            first = identity.time if first is None else first
            yield Alert(f"alert {number}", identity.time - first, identity.object_id, value)
