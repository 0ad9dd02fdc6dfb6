"""Known container headers: kept as data under the root, so that a replay knows them too."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from dataclasses import dataclass
from functools import lru_cache

from broker.errors import InputError
from broker.packets.container import SYNC_BYTES, header_schema, read_header
from broker.packets.datum import describe
from broker.packets.inline import inlined
from broker.packets.reasons import Reason
from broker.packets.schemas import canonical
from broker.tables.layout import HEADERS, header_path
from broker.tables.storage import Storage

# Rubbish must not grow the decoder without end; real surveys change versions a few times a year.
LEARN_AT_ONCE = 16
MOST_HEADERS = 128


@dataclass(frozen=True)
class Header:
    """Header of an Avro object container.

    Parameters
    ----------
    digest
        md5 (hex) of the header without its sync marker: its name.
    crc32
        Of the same bytes: with the length, how the stream knows it again, at a tenth of md5's cost.
    length
        Bytes before the first block, sync marker included.
    codec
        ``null`` when blocks are not compressed.
    schema
        Canonical writer schema (JSON).
    """

    digest: str
    crc32: int
    length: int
    codec: str
    schema: str


def parse_header(value: bytes) -> Header:
    """Header of a container message.

    Raises
    ------
    InputError
        ``truncated``, ``header_unreadable`` or ``container_form``: why it cannot be used.
    """
    stream = io.BytesIO(value)
    try:
        meta = read_header(stream)["meta"]
        schema = _usable_schema(meta.get("avro.schema", b""))
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes must not end the stream
        raise InputError(
            f"the container's header cannot be used: {describe(error)}", Reason.HEADER_UNREADABLE
        ) from None
    length = stream.tell()
    before_sync = value[: length - SYNC_BYTES]
    return Header(
        digest=hashlib.md5(before_sync, usedforsecurity=False).hexdigest(),
        crc32=zlib.crc32(before_sync),
        length=length,
        codec=meta.get("avro.codec", b"null").decode("ascii", "replace"),
        schema=schema,
    )


@lru_cache(maxsize=128)
def _usable_schema(text: bytes) -> str:
    """Canonical form of a writer schema that can be aligned with a reader's."""
    schema = header_schema({"avro.schema": text})
    inlined(schema, "packet")
    return canonical(schema)


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
            Header(**json.loads(storage.read_text(f"{HEADERS}/{name}")))
            for name in storage.names(HEADERS)
            if name.endswith(".json")
        ]

    @property
    def headers(self) -> tuple[Header, ...]:
        """All known headers, by digest."""
        return tuple(self._headers)

    def learn(self, headers: list[Header]) -> int:
        """Keep headers not met before; returns how many were new."""
        known = {header.digest for header in self._headers}
        fresh = [header for header in headers if header.digest not in known]
        fresh = fresh[: max(0, MOST_HEADERS - len(known))]
        for header in fresh:
            self._storage.write_text(json.dumps(vars(header)), header_path(header.digest))
        self._headers = sorted([*self._headers, *fresh], key=lambda header: header.digest)
        return len(fresh)
