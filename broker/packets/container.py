"""Avro object containers with exactly one record, read with precise reasons.

fastavro reads containers too, but parses the header's schema again for every packet (tens of
kilobytes), takes any number of records and has no zstandard codec without a further package.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable
from typing import Any, cast

import cramjam
import fastavro

from broker.errors import InputError
from broker.packets.datum import DECODE_ERRORS, decode_datum, describe, encode_datum
from broker.packets.reasons import Reason
from broker.packets.schemas import Schema, parse_schema_text, schema_text

CONTAINER_MAGIC = b"Obj\x01"
SYNC_BYTES = 16
_LONG: Schema = {"type": "long"}
_HEADER_SCHEMA: Schema = cast(
    Schema,
    fastavro.parse_schema(
        {
            "type": "record",
            "name": "org.apache.avro.file.Header",
            "fields": [
                {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
                {"name": "meta", "type": {"type": "map", "values": "bytes"}},
                {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": SYNC_BYTES}},
            ],
        }
    ),
)
_DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": lambda data: zlib.decompress(data, wbits=-15),
    "snappy": lambda data: bytes(cramjam.snappy.decompress_raw(data[:-4])),  # then a CRC
    "zstandard": lambda data: bytes(cramjam.zstd.decompress(data)),
}


class ContainerWriter:
    """Wrap records of one schema in containers; same record, same bytes.

    The sync marker is made from the schema, not drawn at random.
    """

    def __init__(self, schema: Schema) -> None:
        text = schema_text(schema).encode()
        self._schema = schema
        self._sync = hashlib.md5(text, usedforsecurity=False).digest()
        meta = {"avro.codec": b"null", "avro.schema": text}
        header = {"magic": CONTAINER_MAGIC, "meta": meta, "sync": self._sync}
        self._header_and_count = encode_datum(header, _HEADER_SCHEMA) + encode_datum(1, _LONG)

    def encode(self, record: dict[str, Any]) -> bytes:
        """Encode one record; one that does not fit the schema raises ``encode_failed``."""
        return self.wrap(encode_datum(record, self._schema))

    def wrap(self, datum: bytes) -> bytes:
        """Put one record that is encoded already into a container."""
        return self._header_and_count + encode_datum(len(datum), _LONG) + datum + self._sync


def decode_container(value: bytes) -> tuple[dict[str, Any], Schema]:
    """Read the only record of a container and the schema in its header.

    Raises
    ------
    InputError
        ``not_avro``, ``header_unreadable``, ``container_form``, ``truncated`` or
        ``decode_failed``.
    """
    if value[:4] != CONTAINER_MAGIC:
        cut = CONTAINER_MAGIC.startswith(value)
        raise InputError(
            f"the packet starts with {value[:4].hex(' ')}, an Avro container with 4f 62 6a 01",
            reason=Reason.TRUNCATED if cut else Reason.NOT_AVRO,
        )
    buffer = io.BytesIO(value)
    header = read_header(buffer)
    schema = header_schema(header["meta"])
    block = _read_single_block(buffer, header["sync"])
    datum = _decompress(block, header["meta"].get("avro.codec", b"null"))
    try:
        return decode_datum(datum, 0, schema), schema
    except InputError as error:
        # The block itself is whole, so its content is wrong, not short.
        raise InputError(f"in a container: {error}", reason=Reason.DECODE_FAILED) from None


def read_header(buffer: io.BytesIO) -> dict[str, Any]:
    """Read a container's ``meta`` and ``sync``, and stop at its first block.

    Raises
    ------
    InputError
        ``truncated`` or ``header_unreadable``.
    """
    try:
        header = fastavro.schemaless_reader(buffer, _HEADER_SCHEMA, None)
    except EOFError:
        raise InputError(
            "the packet ends within its container header", reason=Reason.TRUNCATED
        ) from None
    except DECODE_ERRORS as error:
        raise InputError(
            f"the container header cannot be read: {describe(error)}",
            reason=Reason.HEADER_UNREADABLE,
        ) from None
    return cast(dict[str, Any], header)


def header_schema(meta: dict[str, bytes]) -> Schema:
    """Writer schema of a container.

    Raises
    ------
    InputError
        ``header_unreadable``, or ``container_form`` when it is not one record's.
    """
    text = meta.get("avro.schema")
    if text is None:
        raise InputError("the container header has no avro.schema", reason=Reason.HEADER_UNREADABLE)
    if text.lstrip()[:1] == b"[":
        raise InputError(
            "the container's schema is a JSON list of types, not one record",
            reason=Reason.CONTAINER_FORM,
        )
    try:
        return parse_schema_text(text)
    except InputError as error:
        raise InputError(f"container header: {error}", reason=Reason.HEADER_UNREADABLE) from None


def _read_single_block(buffer: io.BytesIO, sync: bytes) -> bytes:
    """Read the only block of a container with one record; anything else is an error."""
    count = _read_long(buffer, "the number of records")
    if count != 1:
        raise InputError(
            f"the container holds {count} records, not one", reason=Reason.CONTAINER_FORM
        )
    size = _read_long(buffer, "the length of the record")
    start = buffer.tell()
    value = buffer.getvalue()
    if not 0 <= size <= len(value) - start - SYNC_BYTES:
        _refuse_length(value, start, size, sync)
    end = start + size
    if value[end : end + SYNC_BYTES] != sync:
        raise InputError(
            "the sync marker is not where the record should end: the packet was altered",
            reason=Reason.DECODE_FAILED,
        )
    rest = value[end + SYNC_BYTES :]
    # Some writers close a container with an empty block (no records, no bytes).
    if rest not in (b"", b"\0\0" + sync):
        raise InputError(
            f"{len(rest)} bytes follow the first record: a second block of records",
            reason=Reason.CONTAINER_FORM,
        )
    return value[start:end]


def _refuse_length(value: bytes, start: int, size: int, sync: bytes) -> None:
    missing = start + size + SYNC_BYTES - len(value)
    if size < 0 or value.endswith(sync):
        # The end is there, so what lacks was lost (or added) within.
        raise InputError(
            f"the record should be {size} bytes long but is {len(value) - start - SYNC_BYTES}: "
            "the packet was altered (line-ending conversion does this)",
            reason=Reason.DECODE_FAILED,
        )
    raise InputError(f"the packet ends {missing} bytes early", reason=Reason.TRUNCATED)


def _read_long(buffer: io.BytesIO, what: str) -> int:
    if buffer.tell() == len(buffer.getbuffer()):
        is_count = what == "the number of records"
        missing = Reason.CONTAINER_FORM if is_count else Reason.TRUNCATED
        raise InputError(f"the container ends before {what}", reason=missing)
    try:
        number = fastavro.schemaless_reader(buffer, _LONG, None)
    except (EOFError, *DECODE_ERRORS):
        raise InputError(f"the container ends within {what}", reason=Reason.TRUNCATED) from None
    return cast(int, number)


def _decompress(block: bytes, codec: bytes) -> bytes:
    name = codec.decode(errors="replace")
    if name not in _DECOMPRESSORS:
        raise InputError(
            f"the container is compressed with {name!r}; known: {', '.join(_DECOMPRESSORS)}",
            reason=Reason.CONTAINER_FORM,
        )
    try:
        return _DECOMPRESSORS[name](block)
    except (zlib.error, cramjam.DecompressionError, *DECODE_ERRORS) as error:
        raise InputError(
            f"the {name} block cannot be decompressed: {describe(error)}",
            reason=Reason.DECODE_FAILED,
        ) from None
