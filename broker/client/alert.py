"""Alert: a decoded record that remembers how it arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from broker.packets.framing import Packet


@dataclass(frozen=True, slots=True)
class Received:
    """Message that an alert came in: its origin, its bytes and the decoded packet."""

    origin: str
    """File name, or Kafka topic, partition and offset."""
    value: bytes
    packet: Packet


class Alert(dict[str, Any]):
    """Record of an alert, a plain dict that remembers how it arrived.

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
