"""Small packets in ZTF's and ELAsTiCC's form, and time that passes only when it is waited for."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.packets.framing import Encoder, Framing
from broker.packets.schemas import Schema, parse_schema

ZTF_LIKE = parse_schema(
    {
        "type": "record",
        "name": "ztf.alert",
        "version": "4.02",
        "fields": [
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {
                "name": "candidate",
                "type": {
                    "type": "record",
                    "name": "ztf.candidate",
                    "fields": [
                        {"name": "jd", "type": "double"},
                        {"name": "candid", "type": "long"},
                        {"name": "drb", "type": ["null", "float"], "default": None},
                    ],
                },
            },
            {
                "name": "prv_candidates",
                "type": [
                    "null",
                    {
                        "type": "array",
                        "items": {
                            "type": "record",
                            "name": "ztf.prv_candidate",
                            "fields": [
                                {"name": "jd", "type": "double"},
                                {"name": "candid", "type": ["null", "long"]},
                            ],
                        },
                    },
                ],
                "default": None,
            },
        ],
    },
    "test",
)
ELASTICC_LIKE = parse_schema(
    {
        "type": "record",
        "name": "elasticc.v0_9.alert",
        "fields": [
            {"name": "alertId", "type": "long"},
            {
                "name": "diaSource",
                "type": {
                    "type": "record",
                    "name": "elasticc.v0_9.diaSource",
                    "fields": [
                        {"name": "diaSourceId", "type": "long"},
                        {"name": "diaObjectId", "type": ["null", "long"]},
                        {"name": "midPointTai", "type": "double"},
                    ],
                },
            },
        ],
    },
    "test",
)


def make_ztf_record(candid: int, jd: float, object_id: str = "") -> dict[str, Any]:
    return {
        "objectId": object_id or f"ZTF18{candid}",
        "candid": candid,
        "candidate": {"jd": jd, "candid": candid, "drb": None},
        "prv_candidates": [{"jd": jd - 1, "candid": candid + 1000}, {"jd": jd - 2, "candid": None}],
    }


def make_elasticc_record(source_id: int, mjd: float, object_id: int | None = 7) -> dict[str, Any]:
    source = {"diaSourceId": source_id, "diaObjectId": object_id, "midPointTai": mjd}
    return {"alertId": 1231321321, "diaSource": source}


def ztf_packet(candid: int, jd: float, framing: Framing = "container") -> bytes:
    return Encoder(ZTF_LIKE, framing, 402).encode(make_ztf_record(candid, jd))


def elasticc_packet(source_id: int, mjd: float, framing: Framing = "bare") -> bytes:
    return Encoder(ELASTICC_LIKE, framing, 9).encode(make_elasticc_record(source_id, mjd))


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


class FakeClock:
    """Time stands still except while somebody sleeps; `busy` makes what is done take time."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.seconds += seconds

    def busy(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ztf_schema() -> Schema:
    return ZTF_LIKE


@pytest.fixture
def elasticc_schema() -> Schema:
    return ELASTICC_LIKE


@pytest.fixture
def make_ztf() -> Callable[..., bytes]:
    return ztf_packet


@pytest.fixture
def make_elasticc() -> Callable[..., bytes]:
    return elasticc_packet


@pytest.fixture
def archive() -> Callable[..., Path]:
    return write_archive


@pytest.fixture
def ztf_record() -> Callable[..., dict[str, Any]]:
    return make_ztf_record


@pytest.fixture
def elasticc_record() -> Callable[..., dict[str, Any]]:
    return make_elasticc_record
