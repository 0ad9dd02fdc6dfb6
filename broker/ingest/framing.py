"""Framings in the JVM: a message's bytes become (schema key, payload), or a reason why not.

Each function gives the transformation for one framing, whose columns are built once, not for each
batch: they take over a thousand calls into Java.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.ingest.headers import Header
from broker.ingest.refusals import Refusal, first_refusal
from broker.packets.container import CONTAINER_MAGIC, SYNC_BYTES
from broker.packets.reasons import Reason

Transform = Callable[[DataFrame], DataFrame]
# A block's size is a zigzag varint; 5 bytes hold any size that fits a Kafka message.
_VARINT_BYTES = 5


def bare_framing(schema_key: str) -> Transform:
    """Add ``schema_key, payload, reason, detail`` to messages that are only an Avro datum."""
    return _framing(F.lit(schema_key), F.col("value"), [_empty()])


def confluent_framing(schema_ids: Sequence[int]) -> Transform:
    """Add ``schema_key, payload, reason, detail`` to messages of the Confluent wire format."""
    value = F.col("value")
    schema_id = F.conv(F.hex(F.substring(value, 2, 4)), 16, 10).cast("long")
    refusals = [
        _empty(),
        Refusal(
            (F.length(value) < 5) | (F.substring(value, 1, 1) != F.lit(b"\x00")),
            Reason.NOT_CONFLUENT,
            F.lit("the message does not start with 0x00 and a 4-byte schema id"),
        ),
        Refusal(
            ~schema_id.isin(list(schema_ids)),
            Reason.SCHEMA_UNKNOWN,
            F.concat(F.lit("no schema with id "), schema_id.cast("string")),
        ),
    ]
    payload = F.expr("substring(value, 6)")
    return _framing(schema_id.cast("string"), payload, refusals)


def container_framing(headers: Sequence[Header], keys: dict[str, str]) -> Transform:
    """Add ``schema_key, payload, reason, detail`` to messages that are Avro object containers.

    A header is recognised by its length and checksum: its 25 kB of schema are never parsed.

    Parameters
    ----------
    headers
        Known headers.
    keys
        Schema key of each known header, by digest.
    """
    value = F.col("value")
    match = _first_match(value, headers)
    length = _by_header(headers, [F.lit(h.length) for h in headers], "int")
    # The record count, one byte for 1, comes first; its size after it.
    sizes = F.conv(
        F.hex(F.substring(value, F.col("_length") + F.lit(2), F.lit(_VARINT_BYTES))), 16, 10
    ).cast("long")
    size = {
        "_size_bytes": _varint_length(F.col("_sizes")),
        "_size": _varint(F.col("_sizes")),
    }
    start = F.col("_length") + F.lit(2) + F.col("_size_bytes")
    payload = F.substring(value, start, F.col("_size").cast("int"))
    key = _by_header(headers, [F.lit(keys[h.digest]) for h in headers], "string")
    frame = _framing(key, payload, _container_refusals(headers))

    def locate_and_frame(packets: DataFrame) -> DataFrame:
        with_header = packets.withColumn("_header", match).withColumn("_length", length)
        located = with_header.withColumn("_sizes", sizes).withColumns(size)
        return frame(located).drop("_header", "_length", "_sizes", "_size_bytes", "_size")

    return locate_and_frame


def without_known_header(packets: DataFrame, headers: Sequence[Header]) -> DataFrame:
    """Messages that are containers with a header not among the known ones."""
    is_container = F.substring("value", 1, 4) == F.lit(CONTAINER_MAGIC)
    return packets.where(is_container & _first_match(F.col("value"), headers).isNull())


def _container_refusals(headers: Sequence[Header]) -> list[Refusal]:
    value = F.col("value")
    compressed = [i for i, header in enumerate(headers) if header.codec != "null"]
    count = F.substring(value, F.col("_length") + F.lit(1), F.lit(1))
    expected = F.col("_length") + 1 + F.col("_size_bytes") + F.col("_size") + SYNC_BYTES
    marker = F.substring(value, F.col("_length") - F.lit(SYNC_BYTES - 1), F.lit(SYNC_BYTES))
    ends = F.substring(value, -SYNC_BYTES, SYNC_BYTES) == marker
    odd_form = F.lit("more than one block or record, or a damaged block; ")
    lengths = F.concat(
        F.lit("the container should have "),
        F.coalesce(expected.cast("string"), F.lit("more")),
        F.lit(" bytes and has "),
        F.length(value).cast("string"),
    )
    return [
        _empty(),
        Refusal(
            F.substring(value, 1, 4) != F.lit(CONTAINER_MAGIC),
            Reason.NOT_AVRO,
            F.lit("the message does not start with the magic bytes of an Avro container"),
        ),
        Refusal(F.col("_header").isNull(), Reason.HEADER_UNKNOWN, F.lit("header not met before")),
        Refusal(
            F.col("_header").isin(compressed) if compressed else F.lit(False),
            Reason.CONTAINER_FORM,
            F.lit("the container is compressed; only codec null is accepted on the stream"),
        ),
        Refusal(
            ends & (expected > F.length(value)),
            Reason.DECODE_FAILED,
            F.concat(F.lit("bytes were lost within the packet: "), lengths),
        ),
        Refusal(F.col("_size").isNull() | (expected > F.length(value)), Reason.TRUNCATED, lengths),
        Refusal(
            (count != F.lit(b"\x02")) | (expected < F.length(value)) | (F.col("_size") < 0) | ~ends,
            Reason.CONTAINER_FORM,
            F.concat(odd_form, lengths),
        ),
    ]


def _first_match(value: Column, headers: Sequence[Header]) -> Column:
    """Index of the header that a message starts with; null when none is known."""
    match = F.lit(None).cast("int")
    for index, header in reversed(list(enumerate(headers))):
        start = F.substring(value, 1, header.length - SYNC_BYTES)
        match = F.when(F.crc32(start) == F.lit(header.crc32), F.lit(index)).otherwise(match)
    return match


def _by_header(headers: Sequence[Header], values: list[Column], dtype: str) -> Column:
    if not headers:
        return F.lit(None).cast(dtype)
    return F.get(F.array(*values), F.col("_header"))


def _varint_byte(sizes: Column, index: int) -> Column:
    return F.shiftright(sizes, 8 * (_VARINT_BYTES - 1 - index)).bitwiseAND(F.lit(255))


def _varint_length(sizes: Column) -> Column:
    length = F.lit(None).cast("int")
    for index in reversed(range(_VARINT_BYTES)):
        length = F.when(_varint_byte(sizes, index) < 128, F.lit(index + 1)).otherwise(length)
    return length


def _varint(sizes: Column) -> Column:
    """Value of the zigzag varint at the start of 5 bytes; null when it does not end there."""
    total = F.lit(None).cast("long")
    for last in reversed(range(_VARINT_BYTES)):
        parts = [
            F.shiftleft(_varint_byte(sizes, i).bitwiseAND(F.lit(127)), 7 * i)
            for i in range(last + 1)
        ]
        value = reduce(lambda a, b: a.bitwiseOR(b), parts)
        total = F.when(_varint_byte(sizes, last) < 128, value).otherwise(total)
    decoded = F.shiftright(total, 1)
    return F.when(total.bitwiseAND(F.lit(1)) == 1, -decoded - 1).otherwise(decoded)


def _empty() -> Refusal:
    no_bytes = F.coalesce(F.length("value"), F.lit(0)) == 0
    return Refusal(no_bytes, Reason.EMPTY, F.lit("the message has no bytes"))


def _framing(key: Column, payload: Column, refusals: list[Refusal]) -> Transform:
    """Name the first refusal that holds; payload and key are null where there is one."""
    reason, detail = first_refusal(refusals)
    sound = F.col("reason").isNull()
    framed = {"schema_key": F.when(sound, key), "payload": F.when(sound, payload)}
    return lambda packets: packets.withColumns({"reason": reason, "detail": detail}).withColumns(
        framed
    )
