"""Rows of the raw table, written again as the packets that they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from broker.errors import InputError
from broker.packets.files import OnError, StoredPacket
from broker.packets.framing import Encoder
from broker.packets.reasons import Reason
from broker.packets.schemas import Schema, load_schema, parse_schema, schema_text
from broker.packets.walk import with_nullable_fields
from broker.surveys import Survey

_ROWS_AT_ONCE = 64
_PACKET_COLUMN = "ingest.packet"


def iterate_rows(source: Path, survey: Survey, on_error: OnError) -> Iterator[StoredPacket]:
    """One packet per row of a raw table.

    A row that kept its packet's bytes gives these; any other is written as a container with the
    survey's reader schema.

    Parameters
    ----------
    source
        A Parquet file or a folder of them.
    on_error
        Called with the error of a file or row that cannot be used; it is skipped.
    """
    encoder = _RowEncoder(load_schema(survey.schema_folder))
    files = [source] if source.is_file() else sorted(source.rglob("*.parquet"))
    for path in files:
        try:
            yield from _rows_of(path, encoder, on_error)
        except InputError as error:
            on_error(error)
        except (OSError, pa.ArrowException) as error:
            on_error(InputError(f"cannot read {path}: {error}", reason=Reason.UNREADABLE))


class _RowEncoder:
    def __init__(self, schema: Schema) -> None:
        self.names = [field["name"] for field in schema["fields"]]
        self._strict = Encoder(schema, "container")
        # Packets older than the schema have nulls in fields that it requires.
        lenient = with_nullable_fields(json.loads(schema_text(schema)))
        self._lenient = Encoder(parse_schema(lenient, str(schema["name"])), "container")

    def encode(self, record: dict[str, Any]) -> bytes:
        try:
            return self._strict.encode(record)
        except InputError:
            return self._lenient.encode(record)


def _rows_of(path: Path, encoder: _RowEncoder, on_error: OnError) -> Iterator[StoredPacket]:
    with pq.ParquetFile(path) as table:
        present = set(table.schema_arrow.names)
        columns = [name for name in encoder.names if name in present]
        if not columns:
            raise InputError(
                f"{path} has none of the columns of a raw table ({', '.join(encoder.names[:5])}…)",
                reason=Reason.UNREADABLE,
            )
        kept = [_PACKET_COLUMN] if "ingest" in present else []
        number = 0
        for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns + kept):
            for row in batch.to_pylist():
                number += 1
                packet = (row.pop("ingest", None) or {}).get("packet")
                try:
                    value = packet or encoder.encode(row)
                except InputError as error:
                    on_error(InputError(f"{path} row {number}: {error}", reason=error.reason))
                else:
                    yield StoredPacket(f"{path} row {number}", value)
