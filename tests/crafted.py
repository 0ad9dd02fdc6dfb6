"""Packets made for tests: sound ones, and each kind of rubbish that a stream can carry."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import fastavro

from broker.packets.container import ContainerWriter
from broker.packets.datum import encode_datum
from broker.packets.schemas import Schema, load_schema, parse_schema, schema_text
from broker.surveys import get_survey

# 2024-07-07, early; the same night for alerts up to a day later.
JD = 2460498.6
NIGHT = 20240707
_ZEROS = {"string": "", "bytes": b"", "boolean": False, "float": 0.0, "double": 0.0}


@cache
def schema_of(survey: str) -> Schema:
    """The survey's packet schema."""
    return load_schema(get_survey(survey).schema_folder)


def ztf_record(number: int, jd: float = JD, stamp_bytes: int = 300, **candidate: Any) -> Any:
    """A ZTF 4.02 alert; `number` makes ids, position and content its own."""
    record = _zero(schema_of("ztf"), {})
    position = {"ra": number * 0.01 % 360, "dec": number * 0.003 % 60}
    own = {"jd": jd, "candid": number, "fid": 1 + number % 2, "magpsf": 19.5, **position}
    record["candidate"] |= own | candidate
    stamp = {"fileName": f"{number}.fits.gz", "stampData": bytes([number % 251]) * stamp_bytes}
    return record | {
        "schemavsn": "4.02",
        "objectId": f"ZTF24a{number:06d}",
        "candid": number,
        "prv_candidates": [ztf_history(jd - 2, magpsf=19.25), ztf_history(jd - 1)],
        "cutoutScience": stamp,
        "cutoutTemplate": stamp,
        "cutoutDifference": stamp,
    }


def ztf_history(jd: float, **values: Any) -> Any:
    """An entry of a ZTF alert's history: an upper limit unless it is given a magnitude."""
    history = field_type(schema_of("ztf"), "prv_candidates")
    return _zero(history["items"], {}) | {"jd": jd} | values


def elasticc_record(number: int, mjd: float = 60000.25) -> Any:
    """An ELAsTiCC 0.9 alert."""
    record = _zero(schema_of("elasticc"), {})
    record["diaSource"] |= {
        "diaSourceId": number,
        "diaObjectId": 7 * number,
        "midPointTai": mjd,
        "ra": number * 0.01 % 360,
        "decl": -20.0,
    }
    return record


def winter_record(number: int, jd: float = JD, **candidate: Any) -> Any:
    """A WINTER alert with two earlier detections."""
    record = _zero(schema_of("winter"), {})
    position = {"ra": number * 0.01 % 360, "dec": number * 0.003 % 60}
    own = {
        **{"jd": jd, "candid": number, "fid": number % 4, "magpsf": 16.5, "sigmapsf": 0.125},
        **{"exptime": 120.0, "diffmaglim": 18.5, "isdiffpos": number % 3 != 0, "scorr": 12.0},
        **{"ndethist": 3, "jdstarthist": jd - 2, **position},
    }
    record["candidate"] |= own | candidate
    entry = _zero(field_type(schema_of("winter"), "prv_candidates")["items"], {})
    entry |= {**position, "fid": own["fid"], "magpsf": 17.0, "sigmapsf": 0.125, "isdiffpos": True}
    history = [entry | {"jd": jd - k, "candid": 10**9 + 10 * number + k} for k in (2, 1)]
    images = {f"cutout_{name}": b"no image" for name in ("science", "template", "difference")}
    return (
        record
        | images
        | {
            **{"schemavsn": "0.1", "publisher": "test", "objectid": f"WNTR24a{number:06d}"},
            **{"candid": number, "prv_candidates": history},
        }
    )


def pgir_record(number: int, jd: float = JD, **candidate: Any) -> Any:
    """A PGIR alert with an earlier detection and an upper limit."""
    record = _zero(schema_of("pgir"), {})
    position = {"ra": number * 0.01 % 360, "dec": number * 0.003 % 60}
    own = {
        **{"jd": jd, "candid": number, "magpsf": 12.5, "sigmapsf": 0.125, "diffmaglim": 13.5},
        **{"exptime": 71.25, "isdiffpos": "1" if number % 3 else "0", "isstar": number % 2},
        **{"drb": 0.25 if number % 5 == 0 else 0.75, "drbversion": "test", "ndethist": 2},
        **{"jdstarthist": jd - 2, "ssdistnr": -99.0, "ssmagnr": -99.0, "ssnamenr": "NONE"},
    }
    record["candidate"] |= own | position | candidate
    limit = _zero(field_type(schema_of("pgir"), "prv_candidates")["items"], {})
    limit |= {"jd": jd - 1, "diffmaglim": 13.25}
    seen = {"jd": jd - 2, "magpsf": 12.75, "sigmapsf": 0.125, "isdiffpos": "1", "drb": 0.5}
    history = [limit | position | seen | {"candid": 10**9 + number}, limit]
    images = {f"cutout{name}": b"no image" for name in ("Science", "Template", "Difference")}
    return (
        record
        | images
        | {
            **{"schemavsn": "0.1", "publisher": "test", "objectId": f"PGIR24a{number:06d}"},
            **{"candid": number, "prv_candidates": history},
        }
    )


def field_type(schema: Schema, name: str) -> Any:
    """Type of a field; of a nullable one, what it is when it is not null."""
    kind = next(field["type"] for field in schema["fields"] if field["name"] == name)
    return next(branch for branch in kind if branch != "null") if isinstance(kind, list) else kind


def _zero(schema: Any, named: dict[str, Any]) -> Any:
    """The plainest value of a type: null where it may be."""
    if isinstance(schema, list):
        return None if "null" in schema else _zero(schema[0], named)
    if isinstance(schema, str):
        return _zero(named[schema], named) if schema in named else _ZEROS.get(schema, 0)
    if schema["type"] == "record":
        named[schema["name"]] = schema
        return {field["name"]: _zero(field["type"], named) for field in schema["fields"]}
    return [] if schema["type"] == "array" else _zero(schema["type"], named)


def container(record: Any, schema: Schema | None = None) -> bytes:
    """The record as its survey sends it: an Avro object container."""
    return _writer(schema_text(schema or schema_of("ztf"))).encode(record)


@cache
def _writer(text: str) -> ContainerWriter:
    return ContainerWriter(parse_schema(json.loads(text), "test"))


def ztf_packets(numbers: Iterable[int], jd: float = JD, stamp_bytes: int = 300) -> list[bytes]:
    """Sound containers, one for each number."""
    return [container(ztf_record(number, jd, stamp_bytes)) for number in numbers]


def evolved(change: Callable[[Schema], None], survey: str = "ztf") -> Schema:
    """The survey's schema with a change, as its next version might have."""
    raw = json.loads(schema_text(schema_of(survey)))
    change(raw)
    return parse_schema(raw, "test")


def add_field(schema: Schema, name: str, kind: Any) -> None:
    """Append a field."""
    schema["fields"].append({"name": name, "type": kind})


def change_field(schema: Schema, name: str, kind: Any) -> None:
    """Give a field another type."""
    next(field for field in schema["fields"] if field["name"] == name)["type"] = kind


def drop_field(schema: Schema, name: str) -> None:
    """Take a field away."""
    schema["fields"] = [field for field in schema["fields"] if field["name"] != name]


def parts(packet: bytes) -> tuple[bytes, bytes, bytes]:
    """Header with its sync marker, the one datum, and the sync marker of a container."""
    sync = packet[-16:]
    header_end = packet.index(sync) + 16
    block = io.BytesIO(packet[header_end:-16])
    assert fastavro.schemaless_reader(block, {"type": "long"}, None) == 1
    fastavro.schemaless_reader(block, {"type": "long"}, None)
    return packet[:header_end], block.read(), sync


def long(number: int) -> bytes:
    """Avro's variable-length form of a whole number."""
    return encode_datum(number, {"type": "long"})


def with_block(packet: bytes, datum: bytes, count: int = 1, size: int | None = None) -> bytes:
    """The container with another block, of which sizes may be wrong."""
    header, _, sync = parts(packet)
    return header + long(count) + long(len(datum) if size is None else size) + datum + sync


def several_records(numbers: Iterable[int], codec: str = "null", interval: int = 10**9) -> bytes:
    """A container with several records; `interval` bytes to a block."""
    stream = io.BytesIO()
    records = [ztf_record(number) for number in numbers]
    fastavro.writer(stream, schema_of("ztf"), records, codec=codec, sync_interval=interval)
    return stream.getvalue()


def with_header_text(packet: bytes, old: bytes, new: bytes) -> bytes:
    """The container with a few bytes of its header overwritten."""
    assert len(old) == len(new)
    header, _, _ = parts(packet)
    assert old in header
    return header.replace(old, new, 1) + packet[len(header) :]


def changed(record: Any, path: str, value: Any) -> Any:
    """A copy of a record with one field, dotted, of another value."""
    copied = copy.deepcopy(record)
    *folders, name = path.split(".")
    target = copied
    for folder in folders:
        target = target[folder]
    target[name] = value
    return copied
