"""Packets that go out, encoded in the executors with a schema derived from the rows' own types.

Defaults and documentation are left out: the schema travels as the key of
every message, and whoever reads with the writer's own schema needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.avro.functions import to_avro
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from broker.packets.schemas import fingerprint, parse_schema_text

VERSION = "1.0"
"""Of the packets' make-up; which columns a science row has is in the schema itself."""
_AVRO_TYPES: dict[DataType, Any] = {
    BooleanType(): "boolean",
    IntegerType(): "int",
    LongType(): "long",
    FloatType(): "float",
    DoubleType(): "double",
    StringType(): "string",
    BinaryType(): "bytes",
    TimestampType(): {"type": "long", "logicalType": "timestamp-micros"},
}


@dataclass(frozen=True)
class PacketKind:
    """One make-up of packets: its columns and its schema.

    Parameters
    ----------
    columns
        The packet's top-level fields, in order.
    schema
        Writer schema as compact JSON.
    """

    columns: Sequence[Column]
    schema: str

    @property
    def fingerprint(self) -> str:
        """Short identity of the schema."""
        return fingerprint(parse_schema_text(self.schema.encode()))

    def encoded(self) -> Column:
        """The packet as a bare Avro datum."""
        return to_avro(F.struct(*self.columns), self.schema)


def packet_schema(fields: StructType, survey: str) -> str:
    """Writer schema of packets with these fields, as compact JSON.

    Parameters
    ----------
    fields
        Type of the struct that is encoded.
    survey
        Whose alerts they are: the schema is called ``nightjar.<survey>.alert``.
    """
    record = _record(fields, "alert", "") | {"namespace": f"nightjar.{survey}", "version": VERSION}
    return json.dumps(record, separators=(",", ":"))


def _record(fields: StructType, name: str, prefix: str) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [
            {"name": field.name, "type": _field_type(field, f"{prefix}{field.name}")}
            for field in fields
        ],
    }


def _field_type(field: StructField, path: str) -> Any:
    kind = _avro_type(field.dataType, path)
    return ["null", kind] if field.nullable else kind


def _avro_type(kind: DataType, path: str) -> Any:
    """Avro type of a column; a record is called after the path to it, since names occur once."""
    if isinstance(kind, StructType):
        return _record(kind, path, f"{path}_")
    if isinstance(kind, ArrayType):
        return {"type": "array", "items": ["null", _avro_type(kind.elementType, path)]}
    return _AVRO_TYPES[kind]
