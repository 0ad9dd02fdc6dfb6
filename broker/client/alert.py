"""An alert in a reader's hands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from broker.packets.framing import Packet


@dataclass(frozen=True, slots=True)
class Received:
    """Where an alert came from and what was sent."""

    origin: str
    """File name, or Kafka topic, partition and offset."""
    value: bytes
    packet: Packet


class Alert(dict[str, Any]):
    """An alert's record, a plain dict, which remembers how it arrived.

    Examples
    --------
    >>> from broker.packets.schemas import parse_schema
    >>> schema = parse_schema({"type": "record", "name": "a", "fields": []}, "example")
    >>> packet = Packet({"objectId": "ZTF18abc"}, schema, "1.0", "bare")
    >>> alert = Alert(Received("night.avro", b"", packet))
    >>> alert["objectId"], alert.received.origin
    ('ZTF18abc', 'night.avro')
    """

    def __init__(self, received: Received) -> None:
        super().__init__(received.packet.record)
        self.received = received
