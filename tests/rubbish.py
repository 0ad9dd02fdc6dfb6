"""Messages that cannot be used, by what is wrong with them, each with the reason code."""

from __future__ import annotations

import json
import math
import random

import fastavro

from broker.packets.datum import encode_datum
from broker.packets.schemas import schema_text
from tests.crafted import (
    change_field,
    container,
    evolved,
    long,
    parts,
    schema_of,
    several_records,
    with_block,
    with_header_text,
    ztf_record,
)

SOUND = container(ztf_record(1))
STAMP_BYTES = 300
HEADER, DATUM, SYNC = parts(SOUND)


def damaged_lengths() -> dict[str, tuple[bytes, str]]:
    """Lengths within and round the record that the bytes do not keep."""
    # Where the first stamp, and where the history, say how much follows.
    stamp = DATUM.index(long(STAMP_BYTES) + bytes([1]) * STAMP_BYTES)
    after_stamp = DATUM[stamp + len(long(STAMP_BYTES)) :]
    optional = ("prv_candidates", "fp_hists", "cutoutScience", "cutoutTemplate", "cutoutDifference")
    without = ztf_record(1) | dict.fromkeys(optional)
    history = len(encode_datum(without, schema_of("ztf"))) - len(optional)
    assert DATUM[history : history + 2] == long(1) + long(2)
    found: dict[str, tuple[bytes, str]] = {}
    for size in (2**31 - 1, 2**31 + 5, 2**62, -5):
        spoilt = with_block(SOUND, DATUM[:stamp] + long(size) + after_stamp)
        found[f"bytes of length {size}"] = (spoilt, "decode_failed")
    for count in (2 * 10**9, 2**40, 999_999, -2 * 10**9):
        spoilt = DATUM[: history + 1] + long(count) + DATUM[history + 2 :]
        found[f"array of {count} items"] = (with_block(SOUND, spoilt), "decode_failed")
    for size, reason in ((2**31, "truncated"), (2**33, "truncated"), (0, "container_form")):
        cut = with_block(SOUND, DATUM, size=size)[: -len(SYNC)]
        found[f"record of length {size}"] = (cut, reason)
    found["record of length -5"] = (with_block(SOUND, DATUM, size=-5), "container_form")
    found["endless length"] = (HEADER + long(1) + b"\xff" * 9 + DATUM + SYNC, "truncated")
    return found


def damaged_containers() -> dict[str, tuple[bytes | None, str]]:
    """Messages whose container is not whole, or not one of one record."""
    return {
        "nothing": (b"", "empty"),
        "tombstone": (None, "empty"),
        "noise": (random.Random(1).randbytes(5_000), "not_avro"),
        "magic bytes only": (SOUND[:4], "truncated"),
        "half a header": (SOUND[: len(HEADER) // 2], "truncated"),
        "header only": (HEADER, "truncated"),
        "half a record": (SOUND[:-600], "truncated"),
        "cut in the last marker": (SOUND[:-3], "truncated"),
        "a byte lost within": (SOUND[:-200] + SOUND[-199:], "decode_failed"),
        "a byte too many": (SOUND + b"\0", "container_form"),
        "another marker": (SOUND[:-16] + bytes(16), "container_form"),
        "two records": (several_records([5, 6]), "container_form"),
        "two blocks": (several_records([5, 6], interval=1), "container_form"),
        "no record": (with_block(SOUND, b"", count=0), "container_form"),
        "record count -1": (with_block(SOUND, DATUM, count=-1), "container_form"),
        "record count too high": (with_block(SOUND, DATUM, count=2), "container_form"),
        "compressed": (several_records([7], "deflate"), "container_form"),
    }


def damaged_schemas() -> dict[str, tuple[bytes, str]]:
    """Containers whose header does not hold a schema that the record can be read with."""
    nullable_id = evolved(lambda schema: change_field(schema, "candid", ["null", "long"]))
    ztf = json.loads(schema_text(schema_of("ztf")))
    found: dict[str, tuple[bytes, str]] = {
        "damaged text": (
            with_header_text(SOUND, b'"fields"', b'"fields}'),
            "header_unreadable",
        ),
        "an id of another name": (
            with_header_text(SOUND, b'"name":"candid"', b'"name":"candiX"'),
            "id_missing",
        ),
        "an id that is null": (
            container(ztf_record(9) | {"candid": None}, nullable_id),
            "id_missing",
        ),
        "no schema": (with_schema_text(b""), "header_unreadable"),
        "a type instead of a record": (with_schema_text(b'"string"'), "header_unreadable"),
        "a list of records": (with_schema_text(json.dumps([ztf]).encode()), "container_form"),
    }
    fields: dict[str, tuple[list[object], str]] = {
        "contains itself": (["long", ["null", "a"]], "header_unreadable"),
        "the same name twice in an enum": (
            [{"type": "enum", "name": "e", "symbols": ["x", "x"]}],
            "header_unreadable",
        ),
        "no fields": ([], "decode_failed"),
        "a union of twice the same": ([["long", "long"]], "decode_failed"),
        "a union in a union": ([["null", ["long", "int"]]], "decode_failed"),
        "a length below zero": ([{"type": "fixed", "name": "f", "size": -4}], "decode_failed"),
    }
    for name, (types, reason) in fields.items():
        record = {
            "type": "record",
            "name": "a",
            "fields": [{"name": f"f{i}", "type": kind} for i, kind in enumerate(types)],
        }
        found[name] = (with_schema_text(json.dumps(record).encode()), reason)
    return found


def with_schema_text(text: bytes) -> bytes:
    """The sound packet under a header with another schema."""
    kind = {"type": "map", "values": "bytes"}
    meta = encode_datum({"avro.codec": b"null", "avro.schema": text}, fastavro.parse_schema(kind))
    return SOUND[:4] + meta + SYNC + SOUND[len(HEADER) :]


def senseless_values() -> dict[str, tuple[bytes, str]]:
    """Packets that decode, into what cannot be."""
    times = [2400000.5, 2400000.5 + 58026.9, 1e300, -1e300, math.nan, math.inf, -math.inf, 2.49e6]
    right_ascensions = [360.0, -1e-9, math.nan, math.inf, 1e300]
    declinations = [90.1, -90.1, math.nan, -math.inf]
    return {
        **{f"jd {jd}": (container(ztf_record(1, jd=jd)), "time_invalid") for jd in times},
        **{
            f"ra {ra}": (container(ztf_record(1, ra=ra)), "position_invalid")
            for ra in right_ascensions
        },
        **{
            f"dec {dec}": (container(ztf_record(1, dec=dec)), "position_invalid")
            for dec in declinations
        },
    }
