"""From a stored packet to the message that Kafka gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.errors import InputError, UsageError
from broker.packets.fields import field_paths, value_at
from broker.packets.framing import Decoder, Encoder, Framing, detect_framing
from broker.packets.reasons import Reason
from broker.packets.schemas import Schema, canonical, schema_version
from broker.simulator.fresh import with_fresh_ids
from broker.surveys import SURVEYS, PacketPaths, closest_paths


@dataclass(frozen=True, slots=True)
class SimulatedAlert:
    """One alert of a night, as it is stored.

    Parameters
    ----------
    name
        Where it comes from, for messages.
    days
        Days since the night's first alert.
    object_id
        What its message is keyed by.
    value
        The packet: a container, or a bare or confluent datum.
    """

    name: str
    days: float
    object_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class FramedMessage:
    """An alert as it is sent.

    Parameters
    ----------
    alert
        What it was made from.
    key, value
        As Kafka gets them.
    days
        Days since the first alert of the first round.
    round_number
        0 is the night itself; later ones have fresh ids.
    is_whole
        False once the value was spoilt.
    """

    alert: SimulatedAlert
    key: bytes
    value: bytes
    days: float
    round_number: int
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class StoredForm:
    """Schema and registry that stored packets are decoded with.

    Parameters
    ----------
    schema
        Of bare packets.
    registry
        Folder of schemas for confluent packets.
    """

    schema: Schema | None
    registry: Path | None

    def decoder(self) -> Decoder:
        """Decoder of such packets."""
        return Decoder(schema=self.schema, registry=self.registry)

    def framing_of(self, value: bytes) -> Framing:
        """Framing of one packet."""
        return detect_framing(value, None, self.schema is not None)


@dataclass(frozen=True, slots=True)
class Identity:
    """Time (days) and object of a packet."""

    time: float
    object_id: str


class Identifier:
    """Finds time and object of packets of any known survey."""

    def __init__(self) -> None:
        # By identity, the schemas kept alive; the packets of a night share a few of them.
        self._paths: dict[int, tuple[Schema, PacketPaths]] = {}

    def identify(self, record: dict[str, Any], schema: Schema) -> Identity:
        """Time and object of a packet.

        Raises
        ------
        InputError
            ``survey_unknown``: no survey has such packets; ``no_time``: it has no time.
        """
        paths = self.paths(schema)
        time = value_at(record, paths.time)
        if not isinstance(time, (int, float)) or not math.isfinite(time):
            raise InputError(f"the packet's {paths.time} is {time!r}, not a time", "no_time")
        for path in (*paths.object_id, paths.alert_id):
            found = value_at(record, path)
            if found is not None:
                return Identity(float(time), str(found))
        raise InputError(f"the packet has neither an object nor {paths.alert_id}", "no_id")

    def paths(self, schema: Schema) -> PacketPaths:
        """Fields of the survey that has packets of this schema."""
        known = self._paths.get(id(schema))
        if known is None:
            known = (schema, _paths_of(schema))
            self._paths[id(schema)] = known
        return known[1]


class Framer:
    """Gives packets their framing, and in later rounds their new ids.

    Parameters
    ----------
    stored
        How the stored packets are framed.
    framing
        Of the messages.
    schema
        What bare messages are written with; none: each packet's own schema.
    schema_id
        Of confluent messages; none: major × 100 + minor of the schema's version.
    on_loss
        Told once which fields ``schema`` has no place for.
    """

    def __init__(
        self,
        stored: StoredForm,
        framing: Framing,
        schema: Schema | None,
        schema_id: int | None,
        on_loss: Callable[[str], None],
    ) -> None:
        self._stored = stored
        self._decoder = stored.decoder()
        self._framing = framing
        self._schema = schema
        self._schema_id = schema_id
        self._on_loss = on_loss
        self._identifier = Identifier()
        self._encoders: dict[int, tuple[Schema, Encoder]] = {}

    def message(self, alert: SimulatedAlert, round_number: int, days: float) -> FramedMessage:
        """Message of an alert; from round 1 on with fresh ids."""
        if round_number == 0 and self._stored.framing_of(alert.value) == self._framing:
            key, value = alert.object_id, alert.value
        else:
            record, schema = self._record(alert, round_number)
            key = self._identifier.identify(record, schema).object_id
            value = self._encoder(schema).encode(record)
        return FramedMessage(alert, key.encode(), value, days, round_number)

    def field(self, message: FramedMessage, path: Sequence[str]) -> object:
        """Value of a field of the alert in a message.

        Raises
        ------
        UsageError
            There is no such field; the message lists those that are there.
        """
        value: object = self._record(message.alert, message.round_number)[0]
        for depth, name in enumerate(path):
            if not isinstance(value, dict) or name not in value:
                above = ",".join(path[:depth]) or "the packet"
                known = ", ".join(map(str, value)) if isinstance(value, dict) else "none"
                raise UsageError(f"{above} has no field {name!r} to display; it has: {known}")
            value = value[name]
        return value

    def _record(self, alert: SimulatedAlert, round_number: int) -> tuple[dict[str, Any], Schema]:
        packet = self._decoder.decode(alert.value)
        if round_number == 0:
            return packet.record, packet.schema
        ids = self._identifier.paths(packet.schema).ids
        return with_fresh_ids(packet.record, ids, round_number), packet.schema

    def _encoder(self, written_with: Schema) -> Encoder:
        known = self._encoders.get(id(written_with))
        if known is None:
            known = (written_with, self._new_encoder(written_with))
            self._encoders[id(written_with)] = known
        return known[1]

    def _new_encoder(self, written_with: Schema) -> Encoder:
        schema = written_with
        if self._framing == "bare" and self._schema is not None:
            schema = self._schema
            self._tell_loss(written_with, schema)
        return Encoder(schema, self._framing, self._id_of(schema))

    def _id_of(self, schema: Schema) -> int | None:
        if self._framing != "confluent" or self._schema_id is not None:
            return self._schema_id
        major, _, minor = (schema_version(schema) or "").partition(".")
        if not (major.isdigit() and minor.isdigit()):
            raise InputError(
                f"schema {schema['name']} states no version major.minor to make an id of; "
                "give --schema-id",
                reason=Reason.SCHEMA_UNKNOWN,
            )
        return int(major) * 100 + int(minor)

    def _tell_loss(self, written_with: Schema, schema: Schema) -> None:
        if canonical(written_with) == canonical(schema):
            return
        lost = sorted(set(field_paths(written_with)) - set(field_paths(schema)))
        if lost:
            self._on_loss(
                f"packets with {len(lost)} fields that the schema of bare messages lacks are "
                f"sent without them: {', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}"
            )


def _paths_of(schema: Schema) -> PacketPaths:
    known = set(field_paths(schema))
    found = closest_paths((survey.packet for survey in SURVEYS.values()), known.__contains__)
    if found is not None:
        return found
    raise InputError(
        f"schema {schema['name']} is of no known survey ({', '.join(SURVEYS)}): "
        "its packets have no known place for time and id",
        reason="survey_unknown",
    )
