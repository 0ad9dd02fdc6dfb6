"""Framings: every way a packet arrives, and every way it can be broken."""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import cramjam
import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import InputError
from broker.packets.files import iterate_packets
from broker.packets.framing import Decoder, Encoder, Framing, detect_framing, encode
from broker.packets.schemas import load_schema, parse_schema, schema_text

SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "alert",
        "namespace": "toy",
        "version": "1.3",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "magnitudes", "type": {"type": "array", "items": ["null", "float"]}},
            {"name": "cutout", "type": ["null", "bytes"], "default": None},
        ],
    },
    "test",
)
RECORD = {"id": 2**60 + 1, "magnitudes": [18.5, None], "cutout": b"\x1f\x8b" * 40}
CONTAINER = encode(RECORD, SCHEMA, "container")
BARE = encode(RECORD, SCHEMA, "bare")
REASONS = {
    "empty", "not_avro", "header_unreadable", "container_form",
    "truncated", "decode_failed", "schema_unknown", "trailing_bytes",
}  # fmt: skip


def with_fastavro(records: list[Any], codec: str = "null", schema: Any = SCHEMA) -> bytes:
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, records, codec=codec)
    return buffer.getvalue()


def registry(folder: Path) -> Path:
    (folder / "v7_1").mkdir(parents=True)
    (folder / "v7_1" / "alert.avsc").write_text(schema_text(SCHEMA))
    return folder


def reason_of(decoder: Decoder, value: bytes | None, key: bytes | None = None) -> str:
    with pytest.raises(InputError) as caught:
        decoder.decode(value, key)
    return caught.value.reason


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_a_container_decodes_whatever_its_codec(codec: str) -> None:
    packet = Decoder("container").decode(with_fastavro([RECORD], codec))
    assert (packet.record, packet.version, packet.framing) == (RECORD, "1.3", "container")


def test_a_zstandard_container_decodes() -> None:
    block = bytes(cramjam.zstd.compress(BARE))
    plain = with_fastavro([RECORD])
    sync = plain[-16:]
    header = plain[: plain.index(sync) + 16].replace(b"\x08null", b"\x12zstandard")
    lengths = b"\x02" + varint(len(block))
    assert Decoder("container").decode(header + lengths + block + sync).record == RECORD


def varint(number: int) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, "long", number)
    return buffer.getvalue()


def test_our_containers_are_read_by_fastavro_and_are_the_same_each_time() -> None:
    assert list(fastavro.reader(io.BytesIO(CONTAINER))) == [RECORD]
    assert Encoder(SCHEMA, "container").encode(RECORD) == CONTAINER


def test_an_empty_closing_block_is_still_one_record() -> None:
    closed = CONTAINER + b"\0\0" + CONTAINER[-16:]
    assert Decoder("container").decode(closed).record == RECORD


def test_a_bare_packet_takes_its_schema_from_the_setting_or_the_key() -> None:
    assert Decoder("bare", SCHEMA).decode(BARE).record == RECORD
    assert Decoder("bare").decode(BARE, schema_text(SCHEMA).encode()).record == RECORD


def test_the_schema_in_the_key_wins_over_the_setting() -> None:
    other = parse_schema({"type": "record", "name": "other", "fields": []}, "test")
    assert Decoder("bare", other).decode(BARE, schema_text(SCHEMA).encode()).record == RECORD


def test_a_key_that_is_no_schema_is_ignored() -> None:
    assert Decoder("bare", SCHEMA).decode(BARE, b"ZTF18abc").record == RECORD


def test_a_confluent_packet_finds_its_schema_by_big_endian_id(tmp_path: Path) -> None:
    value = encode(RECORD, SCHEMA, "confluent", schema_id=701)
    assert value[:5] == b"\0" + struct.pack(">I", 701)
    assert Decoder("confluent", registry=registry(tmp_path)).decode(value).record == RECORD


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"Ob", "truncated"),
        (b"hello", "not_avro"),
        (CONTAINER[:60], "truncated"),
        (CONTAINER[:-30], "truncated"),
        (CONTAINER[:-1], "truncated"),
        (CONTAINER + b"\0", "container_form"),
        (CONTAINER.replace(b'"record"', b'"recorD"'), "header_unreadable"),
        (CONTAINER.replace(b'{"', b"{{", 1), "header_unreadable"),
        (CONTAINER.replace(b"avro.schema", b"avro.schemA"), "header_unreadable"),
        (with_fastavro([RECORD, RECORD]), "container_form"),
        (with_fastavro([]), "container_form"),
        (with_fastavro([RECORD], "xz"), "container_form"),
        (with_fastavro([RECORD], schema=[SCHEMA]), "container_form"),
        (CONTAINER[:-20] + CONTAINER[-19:], "decode_failed"),
        (CONTAINER[:-1] + b"?", "decode_failed"),
        (with_fastavro([RECORD], "deflate").replace(b"deflate", b"snappy!"), "container_form"),
    ],
)
def test_a_broken_container_has_its_reason(value: bytes | None, reason: str) -> None:
    assert reason_of(Decoder("container"), value) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (BARE[:-1], "truncated"),
        (BARE + b"\0", "trailing_bytes"),
        (varint(1) + varint(2**31) + BARE, "decode_failed"),  # an array of 2 billion
        (varint(1) + b"\0" + b"\x02" + varint(2**31), "truncated"),  # 2 GB of bytes
        (varint(1) + b"\0" + b"\x0c", "decode_failed"),  # branch 6 of a union of 2
    ],
)
def test_a_broken_bare_packet_has_its_reason(value: bytes, reason: str) -> None:
    assert reason_of(Decoder("bare", SCHEMA), value) == reason


def test_confluent_packets_say_what_they_lack(tmp_path: Path) -> None:
    decoder = Decoder("confluent", registry=registry(tmp_path))
    assert reason_of(decoder, encode(RECORD, SCHEMA, "confluent", 702)) == "schema_unknown"
    assert reason_of(decoder, b"\0\0\0") == "not_confluent"
    assert reason_of(decoder, BARE) == "not_confluent"
    assert reason_of(Decoder("confluent"), b"\0\0\0\2\xbd" + BARE) == "schema_unknown"


def test_bare_packets_without_a_schema_say_so() -> None:
    assert reason_of(Decoder("bare"), BARE) == "schema_unknown"
    assert reason_of(Decoder("bare"), BARE, b"{not json") == "schema_unknown"


@pytest.mark.parametrize(
    ("value", "key", "has_schema", "framing"),
    [
        (CONTAINER, None, False, "container"),
        (CONTAINER, b"{}", True, "container"),
        (BARE, b'{"type": "record"}', False, "bare"),
        (b"\0\0\0\2\xbd", None, False, "confluent"),
        (b"\0\0\0\2\xbd", None, True, "bare"),
    ],
)
def test_the_framing_shows_in_the_message(
    value: bytes, key: bytes | None, has_schema: bool, framing: Framing
) -> None:
    assert detect_framing(value, key, has_schema) == framing


def test_bytes_of_no_framing_ask_for_a_schema() -> None:
    assert reason_of(Decoder(), b"\xf0\xfc") == "not_avro"


def test_a_record_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="does not fit") as caught:
        encode({"id": "seven"}, SCHEMA, "bare")
    assert caught.value.reason == "encode_failed"


@given(st.binary(max_size=300), st.integers(0, len(CONTAINER)), st.integers(0, 40))
def test_damage_anywhere_gives_a_record_or_a_known_reason(
    junk: bytes, at: int, removed: int
) -> None:
    damaged = CONTAINER[:at] + junk + CONTAINER[at + removed :]
    for decoder, value in ((Decoder("container"), damaged), (Decoder("bare", SCHEMA), junk)):
        try:
            decoder.decode(value)
        except InputError as error:
            assert error.reason in REASONS  # noqa: PT017  (decoding it is fine as well)


def same(left: Any, right: Any) -> bool:
    """Equal with NaN equal to NaN."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return bool(left == right) and type(left) is type(right)


@pytest.mark.parametrize(
    ("folder", "count"), [("ztf", 647), ("ztf_rebuilt", 918), ("ztf_legacy", 18)]
)
def test_every_recorded_ztf_packet_equals_fastavros(
    shared_data: Path, folder: str, count: int
) -> None:
    decoder = Decoder("container")
    packets = list(iterate_packets(shared_data / folder))
    assert len(packets) == count
    for packet in packets:
        (expected,) = fastavro.reader(io.BytesIO(packet.value))
        assert same(decoder.decode(packet.value).record, expected), packet.name


@pytest.mark.parametrize(("name", "count"), [("fink", 8655), ("mlag_generated", 1949)])
def test_every_bare_elasticc_packet_decodes(shared_data: Path, name: str, count: int) -> None:
    decoder = Decoder("bare", load_schema(shared_data / "schema/elasticc/v0_9"))
    ids = {
        decoder.decode(packet.value).record["diaSource"]["diaSourceId"]
        for packet in iterate_packets(shared_data / "elasticc" / name)
    }
    assert len(ids) == count


def test_every_prototype_elasticc_packet_decodes(shared_data: Path) -> None:
    decoder = Decoder("container")
    packets = iterate_packets(shared_data / "elasticc/prototype")
    ids = {decoder.decode(packet.value).record["diaSource"]["diaSourceId"] for packet in packets}
    assert len(ids) == 4059


def test_rubin_messages_decode_but_those_with_a_dummy_id(shared_data: Path) -> None:
    decoder = Decoder("confluent", registry=shared_data / "schema/lsst")
    seen: Counter[str] = Counter()
    for path in sorted((shared_data / "lsst/confluent_wire").iterdir()):
        try:
            record = decoder.decode(path.read_bytes()).record
            seen["decoded"] += isinstance(record["diaSourceId" if "diaSourceId" in record
                                                 else "alertId"], int)  # fmt: skip
        except InputError as error:
            seen[error.reason] += 1
    assert seen == {"decoded": 16, "schema_unknown": 4}


def test_recorded_bad_files_have_fitting_reasons(shared_data: Path) -> None:
    expected = {
        "8770446": "not_avro",  # schemaless bytes under an .avro name
        "test_alerts": "container_form",  # a JSON list as schema, 11 and 14 records
        "5164": "decode_failed",  # line endings converted: a byte is gone
        "12154079": "decode_failed",
    }
    files = sorted((shared_data / "ztf_bad").iterdir())
    assert len(files) == 10
    for path in files:
        name = path.name.partition("_")[2]
        (reason,) = (code for start, code in expected.items() if name.startswith(start))
        assert reason_of(Decoder("container"), path.read_bytes()) == reason, path.name


def test_rewrapping_a_recorded_packet_keeps_every_value(shared_data: Path) -> None:
    path = sorted((shared_data / "ztf_rebuilt").rglob("*.gz"))[0]
    packet = Decoder("container").decode(gzip.decompress(path.read_bytes()))
    bare = encode(packet.record, packet.schema, "bare")
    again = Decoder("bare").decode(bare, key=schema_text(packet.schema).encode())
    assert same(again.record, packet.record)
    assert json.loads(schema_text(packet.schema))["version"] == packet.version
