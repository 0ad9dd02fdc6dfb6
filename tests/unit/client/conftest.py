"""A few toy alerts of ZTF's shape, made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.client import Alert, Received
from broker.packets.framing import Packet, encode
from broker.packets.schemas import Schema, parse_schema


@pytest.fixture
def schema() -> Schema:
    candidate = {
        "type": "record",
        "name": "candidate",
        "fields": [
            {"name": "jd", "type": "double"},
            {"name": "fid", "type": "int"},
            {"name": "magpsf", "type": "float"},
            {"name": "ra", "type": "double"},
            {"name": "drb", "type": ["null", "float"], "default": None},
        ],
    }
    cutout = {"type": "record", "name": "cutout", "fields": [{"name": "data", "type": "bytes"}]}
    fields = [
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": candidate},
        {"name": "prv_candidates", "type": ["null", {"type": "array", "items": "candidate"}]},
        {"name": "cutoutScience", "type": ["null", cutout], "default": None},
        {"name": "cutoutTemplate", "type": ["null", "cutout"], "default": None},
    ]
    raw = {"type": "record", "name": "alert", "namespace": "ztf", "version": "9.1"}
    return parse_schema({**raw, "fields": fields}, "test")


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    def make(candid: int = 2_481_126_852_115_015_004, **changes: Any) -> dict[str, Any]:
        candidate = {"jd": 2460235.62685, "fid": 2, "magpsf": 19.5, "ra": 323.38039, "drb": 0.75}
        made = {
            "objectId": "ZTF23aaa",
            "candid": candid,
            "candidate": candidate | changes.pop("candidate", {}),
            "prv_candidates": None,
            "cutoutScience": {"data": b"\x1f" * 12345},
            "cutoutTemplate": None,
        }
        return made | changes

    return make


@pytest.fixture
def alert(schema: Schema, record: Callable[..., dict[str, Any]]) -> Callable[..., Alert]:
    def make(framing: Any = "container", **changes: Any) -> Alert:
        made = record(**changes)
        value = encode(made, schema, framing)
        return Alert(Received("somewhere", value, Packet(made, schema, "9.1", framing)))

    return make


@pytest.fixture
def night(tmp_path: Path, schema: Schema, record: Callable[..., dict[str, Any]]) -> Path:
    """Three alerts, drb 0.1, 0.5 and null, and a file that is none."""
    folder = tmp_path / "night"
    folder.mkdir()
    for candid, drb in enumerate((0.125, 0.5, None), start=1):
        value = encode(record(candid, candidate={"drb": drb}), schema, "container")
        (folder / f"{candid}.avro").write_bytes(value)
    (folder / "broken.avro").write_bytes(b"Obj\x01junk")
    return folder
