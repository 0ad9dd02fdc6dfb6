"""Save alerts as one Parquet file, a row each, with the fields of their schema as columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from broker.client.alert import Alert
from broker.errors import UsageError
from broker.packets.fields import named_types, non_null
from broker.packets.schemas import Schema, fingerprint

_ROWS_AT_ONCE = 1000
_PRIMITIVES = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}
_LOGICAL = {
    "timestamp-millis": pa.timestamp("ms", tz="UTC"),
    "timestamp-micros": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


class AlertTable:
    """A Parquet file that grows alert by alert; it is there under its name when it is whole.

    Parameters
    ----------
    path
        The file; one that exists is refused.

    Raises
    ------
    UsageError
        The file cannot be written, or the alerts don't share one schema.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise UsageError(f"{path} exists; give --save another name")
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.part")
        self._rows: list[Alert] = []
        self._schema: Schema | None = None
        self._writer: pq.ParquetWriter | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot save in {path.parent}: {error.strerror}") from None

    def close(self) -> None:
        """Finish the file; without any alert there is none."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._unfinished.rename(self._path)
            self._writer = None

    def add(self, alert: Alert) -> None:
        """Append an alert."""
        schema = alert.received.packet.schema
        if self._schema is None:
            self._schema = schema
        elif schema is not self._schema and fingerprint(schema) != fingerprint(self._schema):
            raise UsageError(
                f"{alert.received.origin} has another schema ({fingerprint(schema)}) than the "
                f"alerts before it ({fingerprint(self._schema)}), and a Parquet file has one; "
                "begin after the change with --since, or save .avro files in a folder"
            )
        self._rows.append(alert)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self._rows or self._schema is None:
            return
        columns = arrow_schema(self._schema)
        if self._writer is None:
            try:
                self._writer = pq.ParquetWriter(self._unfinished, columns, compression="zstd")
            except OSError as error:
                raise UsageError(f"cannot save {self._path}: {error.strerror or error}") from None
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=columns))
        self._rows = []


def arrow_schema(schema: Schema) -> pa.Schema:
    """Columns of a table of alerts of an Avro schema."""
    to_arrow = _Converter(named_types(schema))
    return pa.schema([pa.field(f["name"], to_arrow(f["type"])) for f in schema["fields"]])


class _Converter:
    def __init__(self, named: dict[str, Schema]) -> None:
        self._named = named
        self._complex: dict[str, Callable[[Schema], pa.DataType]] = {
            "record": lambda kind: pa.struct(
                [pa.field(f["name"], self(f["type"])) for f in kind["fields"]]
            ),
            "array": lambda kind: pa.list_(self(kind["items"])),
            "map": lambda kind: pa.map_(pa.string(), self(kind["values"])),
            "fixed": lambda kind: pa.binary(kind["size"]),
        }

    def __call__(self, kind: Any) -> pa.DataType:
        if isinstance(kind, list):
            branches = non_null(kind)
            if len(branches) != 1:
                raise UsageError(
                    f"a field may be any of {kind}, which no Parquet column holds; save .avro "
                    "files in a folder instead"
                )
            return self(branches[0])
        if isinstance(kind, str):
            return _PRIMITIVES[kind] if kind in _PRIMITIVES else self(self._named[kind])
        if kind.get("logicalType") in _LOGICAL:
            return _LOGICAL[kind["logicalType"]]
        if kind["type"] in self._complex:
            return self._complex[kind["type"]](kind)
        return self(kind["type"])
