"""Container headers that have been met: data kept under the root, so a replay knows them too."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fastavro

from broker.errors import InputError
from broker.packets.schemas import canonical, parse_schema_text
from broker.storage import Storage

SYNC_BYTES = 16
# Enough to tell most writers apart before the whole header is digested.
PREFIX_BYTES = 48
# Rubbish must not grow the decoder without end; real surveys change versions a few times a year.
LEARN_AT_ONCE = 16
MOST_HEADERS = 128
_FOLDER = "headers"
_HEADER = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Header",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "Magic", "size": 4}},
            {"name": "meta", "type": {"type": "map", "values": "bytes"}},
            {"name": "sync", "type": {"type": "fixed", "name": "Sync", "size": SYNC_BYTES}},
        ],
    }
)


@dataclass(frozen=True)
class Header:
    """Header of an Avro object container.

    Parameters
    ----------
    digest
        md5 (hex) of the header without its sync marker.
    prefix
        Hex of its first bytes.
    length
        Bytes up to the first block, sync marker included.
    codec
        ``null`` when blocks are not compressed.
    schema
        Canonical writer schema (JSON).
    """

    digest: str
    prefix: str
    length: int
    codec: str
    schema: str


def parse_header(value: bytes) -> Header:
    """Header of a container message.

    Raises
    ------
    InputError
        ``header_unreadable``: the bytes are not a header, or its schema is not one.
    """
    stream = io.BytesIO(value)
    try:
        meta: Any = fastavro.schemaless_reader(stream, _HEADER, None)["meta"]  # type: ignore[index, call-overload]
        schema = _canonical(meta["avro.schema"])
    except Exception as error:  # noqa: BLE001 - whatever fastavro makes of damaged bytes
        raise InputError(
            f"the container's header cannot be read: {type(error).__name__}: {error}",
            "header_unreadable",
        ) from None
    length = stream.tell()
    return Header(
        digest=hashlib.md5(value[: length - SYNC_BYTES], usedforsecurity=False).hexdigest(),
        prefix=value[:PREFIX_BYTES].hex(),
        length=length,
        codec=meta.get("avro.codec", b"null").decode("ascii", "replace"),
        schema=schema,
    )


@lru_cache(maxsize=64)
def _canonical(schema: bytes) -> str:
    # Cached: a batch has thousands of messages and a schema or two of 25 kB.
    return canonical(parse_schema_text(schema))


class KnownHeaders:
    """The headers that a survey's decoder can read at a glance.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._headers = [
            Header(**json.loads(storage.read_text(f"{_FOLDER}/{name}")))
            for name in storage.names(_FOLDER)
            if name.endswith(".json")
        ]

    @property
    def headers(self) -> tuple[Header, ...]:
        """All known headers, by digest."""
        return tuple(self._headers)

    def learn(self, headers: list[Header]) -> int:
        """Keep headers not met before; how many were new."""
        known = {header.digest for header in self._headers}
        fresh = [header for header in headers if header.digest not in known]
        fresh = fresh[: max(0, MOST_HEADERS - len(known))]
        for header in fresh:
            self._storage.write_text(json.dumps(vars(header)), f"{_FOLDER}/{header.digest}.json")
        self._headers = sorted([*self._headers, *fresh], key=lambda header: header.digest)
        return len(fresh)
