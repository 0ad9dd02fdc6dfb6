"""A stored night in time order, with memory for its times only.

A first pass decodes every packet once and keeps where it lies, when it was taken and which object
it is of. The second pass fetches the packets in time order. Files are opened one by one; an
archive is unpacked when its first alert is due and let go after its last, so archives of different
nights never lie side by side.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from broker.errors import InputError
from broker.packets.files import OnError, StoredPacket
from broker.packets.framing import Decoder
from broker.simulator.messages import Identifier, SimulatedAlert
from broker.simulator.sources import Group, Shelf


class StoredNight:
    """Packets of some groups, by time; of equal times those stored first come first.

    Parameters
    ----------
    groups
        Where the packets lie.
    decoder
        For their framing.
    on_error
        Called with the error of everything that cannot be read, which is skipped.
    on_group
        Called after each group of the first pass.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        decoder: Decoder,
        on_error: OnError,
        on_group: Callable[[], None] = lambda: None,
    ) -> None:
        self._groups = groups
        self._decoder = decoder
        self._on_error = on_error
        self._identifier = Identifier()
        self._times = array("d")
        self._group_of = array("q")
        self._number_of = array("q")
        self._object_of: list[str] = []
        for index in range(len(groups)):
            self._add(index)
            on_group()
        times = np.frombuffer(self._times) if self._times else np.zeros(0)
        self._order = np.argsort(times, kind="stable")

    @property
    def available(self) -> int:
        """Number of packets."""
        return len(self._times)

    @property
    def span_days(self) -> float:
        """Days from the first to the last alert."""
        return max(self._times) - min(self._times) if self._times else 0.0

    def alerts(self) -> Iterator[SimulatedAlert]:
        """Every alert, earliest first."""
        shelves = _Shelves(self._groups, self._group_of)
        first = self._times[self._order[0]] if self.available else 0.0
        for place in self._order:
            try:
                packet = shelves.take(self._group_of[place], self._number_of[place])
            except InputError as error:
                self._on_error(error)
                continue
            days = self._times[place] - first
            yield SimulatedAlert(packet.name, days, self._object_of[place], packet.value)

    def _add(self, index: int) -> None:
        for number, packet in enumerate(self._groups[index].packets(self._on_error)):
            try:
                decoded = self._decoder.decode(packet.value)
                identity = self._identifier.identify(decoded.record, decoded.schema)
            except InputError as error:
                self._on_error(InputError(f"{packet.name}: {error}", reason=error.reason))
                continue
            self._times.append(identity.time)
            self._group_of.append(index)
            self._number_of.append(number)
            self._object_of.append(identity.object_id)


class _Shelves:
    """The open shelves: each from its group's first packet to its last."""

    def __init__(self, groups: Sequence[Group], group_of: Sequence[int]) -> None:
        self._groups = groups
        self._left = Counter(group_of)
        self._open: dict[int, Shelf] = {}

    def take(self, index: int, number: int) -> StoredPacket:
        shelf = self._open.get(index)
        if shelf is None:
            shelf = self._open[index] = self._groups[index].shelf()
        try:
            return shelf.read(number)
        finally:
            self._left[index] -= 1
            if not self._left[index]:
                self._open.pop(index).close()
