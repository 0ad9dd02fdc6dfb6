"""One Avro datum: bytes to values with the writer's schema, and back."""

from __future__ import annotations

import io
from typing import Any, cast

import fastavro

from broker.errors import InputError
from broker.packets.reasons import Reason
from broker.packets.schemas import Schema

_MESSAGE_LENGTH = 160
# What fastavro raises on bytes that do not fit their schema (EOFError: it ran out of bytes).
DECODE_ERRORS = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def decode_datum(value: bytes, start: int, schema: Schema) -> dict[str, Any]:
    """Decode the datum that fills ``value`` from ``start`` to the end."""
    buffer = io.BytesIO(value)
    buffer.seek(start)
    try:
        record = cast(dict[str, Any], fastavro.schemaless_reader(buffer, schema, None))
    except EOFError:
        raise InputError(
            f"the packet of {len(value)} bytes ends before its last field (cut short, or written "
            f"with another schema than {schema['name']})",
            reason=Reason.TRUNCATED,
        ) from None
    except DECODE_ERRORS as error:
        raise InputError(
            f"the bytes do not fit schema {schema['name']}: {describe(error)}",
            reason=Reason.DECODE_FAILED,
        ) from None
    left = len(value) - buffer.tell()
    if left:
        raise InputError(
            f"{left} of {len(value)} bytes are left over after the packet (written with another "
            f"schema than {schema['name']}?)",
            reason=Reason.TRAILING_BYTES,
        )
    return record


def encode_datum(record: object, schema: Schema) -> bytes:
    """Encode one value; one that does not fit its schema raises ``encode_failed``."""
    buffer = io.BytesIO()
    try:
        fastavro.schemaless_writer(buffer, schema, record)
    except (*DECODE_ERRORS, AttributeError) as error:
        raise InputError(
            f"the record does not fit its schema: {describe(error)}", reason=Reason.ENCODE_FAILED
        ) from None
    return buffer.getvalue()


def describe(error: BaseException) -> str:
    """Name an error that may have no message of its own, or a whole packet as one."""
    text = str(error)
    if len(text) > _MESSAGE_LENGTH:  # the field's name comes last
        text = f"{text[: _MESSAGE_LENGTH // 2]} … {text[-_MESSAGE_LENGTH // 2 :]}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
