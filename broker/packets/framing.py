"""Framings of an alert's Avro datum in a message, to decode and to encode.

========== ==================================================== =============================
container  Avro object container, exactly one record             ZTF
bare       only the datum; schema from a setting or message key ELAsTiCC, Fink, Nightjar
confluent  ``0x00``, 4-byte big-endian schema id, the datum      Rubin
========== ==================================================== =============================
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.errors import InputError
from broker.packets.container import CONTAINER_MAGIC, ContainerWriter, decode_container
from broker.packets.datum import decode_datum, encode_datum
from broker.packets.reasons import Reason
from broker.packets.schemas import (
    Schema,
    load_registered,
    parse_schema_text,
    schema_version,
)
from broker.settings import Framing

__all__ = ["Decoder", "Encoder", "Framing", "Packet", "detect_framing", "encode"]

CONFLUENT_MAGIC = 0
_CONFLUENT_HEADER_BYTES = 5


@dataclass(frozen=True, slots=True)
class Packet:
    """One decoded alert with the schema that its writer used."""

    record: dict[str, Any]
    schema: Schema
    version: str | None
    framing: Framing


class Decoder:
    """Decode messages of one stream; schemas are parsed once and kept.

    Parameters
    ----------
    framing
        How every message is framed; None: each message shows it by itself (see
        :func:`detect_framing`).
    schema
        Writer schema of bare messages that bring none in their key.
    registry
        Folder of schemas for confluent messages, one folder per version.
    """

    def __init__(
        self,
        framing: Framing | None = None,
        schema: Schema | None = None,
        registry: Path | None = None,
    ) -> None:
        self._framing = framing
        self._schema = schema
        self._registry = registry
        self._by_id: dict[int, Schema] = {}

    def decode(self, value: bytes | None, key: bytes | None = None) -> Packet:
        """Decode one message.

        Raises
        ------
        InputError
            Its ``reason`` is a `Reason`.
        """
        if not value:
            raise InputError("the message has no bytes", reason=Reason.EMPTY)
        framing = self._framing or detect_framing(value, key, self._schema is not None)
        if framing == "container":
            record, schema = decode_container(value)
        elif framing == "confluent":
            record, schema = self._decode_confluent(value)
        else:
            schema = self._bare_schema(key)
            record = decode_datum(value, 0, schema)
        return Packet(record, schema, schema_version(schema), framing)

    def _bare_schema(self, key: bytes | None) -> Schema:
        if key is not None and key[:1] == b"{":
            try:
                return parse_schema_text(key)
            except InputError as error:
                raise InputError(f"message key: {error}", reason=Reason.SCHEMA_UNKNOWN) from None
        if self._schema is None:
            raise InputError(
                "a bare packet without a schema: neither a setting (--schema FILE) nor the "
                "message key gives one",
                reason=Reason.SCHEMA_UNKNOWN,
            )
        return self._schema

    def _decode_confluent(self, value: bytes) -> tuple[dict[str, Any], Schema]:
        if value[0] != CONFLUENT_MAGIC or len(value) < _CONFLUENT_HEADER_BYTES:
            raise InputError(
                f"a confluent message starts with 00 and a 4-byte schema id, this one of "
                f"{len(value)} bytes with {value[:4].hex(' ')}",
                reason=Reason.NOT_CONFLUENT,
            )
        schema = self._registered(struct.unpack_from(">I", value, 1)[0])
        return decode_datum(value, _CONFLUENT_HEADER_BYTES, schema), schema

    def _registered(self, schema_id: int) -> Schema:
        if schema_id not in self._by_id:
            if self._registry is None:
                raise InputError(
                    f"schema id {schema_id} cannot be looked up: no registry folder is given "
                    "(--registry DIR)",
                    reason=Reason.SCHEMA_UNKNOWN,
                )
            self._by_id[schema_id] = load_registered(self._registry, schema_id)
        return self._by_id[schema_id]


class Encoder:
    """Encode records of one schema in one framing; same record, same bytes.

    Parameters
    ----------
    schema
        Writer schema, parsed.
    framing
        The container's sync marker is made from the schema, not drawn at random.
    schema_id
        Of confluent messages.
    """

    def __init__(self, schema: Schema, framing: Framing, schema_id: int | None = None) -> None:
        if framing == "confluent" and schema_id is None:
            raise InputError("confluent framing needs a schema id", reason=Reason.SCHEMA_UNKNOWN)
        self._schema = schema
        self._container = ContainerWriter(schema) if framing == "container" else None
        has_id = framing == "confluent"
        self._prefix = struct.pack(">BI", CONFLUENT_MAGIC, schema_id) if has_id else b""

    def encode(self, record: dict[str, Any]) -> bytes:
        """Encode one record; one that does not fit the schema raises ``encode_failed``."""
        if self._container is not None:
            return self._container.encode(record)
        return self._prefix + encode_datum(record, self._schema)


def encode(
    record: dict[str, Any], schema: Schema, framing: Framing, schema_id: int | None = None
) -> bytes:
    """Encode one record; for many of one schema, an :class:`Encoder` is faster."""
    return Encoder(schema, framing, schema_id).encode(record)


def detect_framing(value: bytes, key: bytes | None, has_schema: bool) -> Framing:
    """Tell the framing from the message.

    A container has its magic bytes; a key that is a JSON object is the schema of a bare
    packet, as Fink and Nightjar send; a schema that somebody gave is for bare packets.
    Only then does a leading zero byte mean confluent, since a bare packet may have one too.
    """
    if value[:4] == CONTAINER_MAGIC:
        return "container"
    if has_schema or (key is not None and key[:1] == b"{"):
        return "bare"
    if value[0] == CONFLUENT_MAGIC:
        return "confluent"
    raise InputError(
        f"the packet starts with {value[:4].hex(' ')}: neither an Avro container (4f 62 6a 01) "
        "nor a confluent message (00); if it is a bare packet, give its schema (--schema)",
        reason=Reason.NOT_AVRO,
    )
