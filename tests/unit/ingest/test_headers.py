"""A container's header tells how to read it, or why it cannot be used."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import InputError
from broker.ingest.headers import MOST_HEADERS, Header, KnownHeaders, parse_header
from broker.packets.schemas import canonical
from broker.tables.storage import Storage
from tests.crafted import container, parts, schema_of, several_records, ztf_record

PACKET = container(ztf_record(1))
HEADER_BYTES = len(parts(PACKET)[0])
REASONS = {"truncated", "header_unreadable", "container_form"}


def test_a_header_tells_its_length_digest_codec_and_schema() -> None:
    header = parse_header(PACKET)
    assert header.length == HEADER_BYTES
    assert header.digest == hashlib.md5(PACKET[: HEADER_BYTES - 16]).hexdigest()
    assert header.crc32 == zlib.crc32(PACKET[: header.length - 16])
    assert header.codec == "null"
    assert header.schema == canonical(schema_of("ztf"))


def test_packets_of_one_writer_share_their_header_whatever_their_sync_marker() -> None:
    other = container(ztf_record(2))
    spoilt = other[: HEADER_BYTES - 16] + bytes(16) + other[HEADER_BYTES:]
    assert parse_header(PACKET) == parse_header(other) == parse_header(spoilt)


def test_a_compressed_container_says_so() -> None:
    assert parse_header(several_records([1], "deflate")).codec == "deflate"


def header_or_reason(value: bytes) -> Header | str:
    try:
        return parse_header(value)
    except InputError as error:
        return error.reason


@settings(max_examples=300)
@given(st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_a_damaged_header_is_another_one_or_has_a_reason(at: int, change: int) -> None:
    spoilt = bytearray(PACKET)
    spoilt[at] ^= change
    found = header_or_reason(bytes(spoilt))
    if at < HEADER_BYTES - 16:
        assert found != parse_header(PACKET)
    assert isinstance(found, Header) or found in REASONS


@settings(max_examples=300)
@given(st.integers(0, HEADER_BYTES - 1))
def test_a_cut_header_has_a_reason(length: int) -> None:
    assert header_or_reason(PACKET[:length]) in {"truncated", "header_unreadable"}


@given(st.binary(max_size=200))
def test_noise_has_a_reason(noise: bytes) -> None:
    assert header_or_reason(b"Obj\x01" + noise) in REASONS


def header(number: int) -> Header:
    return Header(f"{number:032x}", "00", 100 + number, "null", '"schema"')


def test_what_was_learnt_is_known_after_a_restart(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    assert KnownHeaders(storage).learn([header(2), header(1)]) == 2
    restarted = KnownHeaders(storage)
    assert restarted.headers == (header(1), header(2))
    assert restarted.learn([header(1), header(3)]) == 1
    assert restarted.headers == (header(1), header(2), header(3))


def test_rubbish_cannot_fill_the_memory(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    known = KnownHeaders(storage)
    assert known.learn([header(n) for n in range(MOST_HEADERS + 5)]) == MOST_HEADERS
    assert known.learn([header(999)]) == 0
    assert len(KnownHeaders(storage).headers) == MOST_HEADERS


def test_an_interrupted_write_leaves_no_header(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    KnownHeaders(storage).learn([header(1)])
    (tmp_path / "headers" / ".half.json.abcd").write_text(json.dumps({"digest": "x"})[:5])
    assert KnownHeaders(storage).headers == (header(1),)
