"""Outgoing packet formats: Avro schemas derived from Spark types, encoded in the executors.

The schemas have neither defaults nor documentation: they are the key of every message, and a
reader that uses the writer's own schema needs neither.
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
"""Version of the packets' format; the columns of a science row are in the schema itself."""
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
class PacketFormat:
    """Format of packets: columns and Avro schema.

    Parameters
    ----------
    columns
        Top-level fields of a packet, in order.
    schema
        Writer schema as compact JSON.
    """

    columns: Sequence[Column]
    schema: str

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the schema."""
        return fingerprint(parse_schema_text(self.schema.encode()))

    def encoded(self) -> Column:
        """Column of packets as bare Avro data."""
        return to_avro(F.struct(*self.columns), self.schema)


def packet_schema(fields: StructType, survey: str) -> str:
    """Derive the writer schema of packets with these fields, as compact JSON.

    Parameters
    ----------
    fields
        Type of the struct that is encoded.
    survey
        Survey of the alerts: the schema is called ``nightjar.<survey>.alert``.
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
    avro_type = _avro_type(field.dataType, path)
    return ["null", avro_type] if field.nullable else avro_type


def _avro_type(dtype: DataType, path: str) -> Any:
    """Avro type of a column; a record is called after the path to it, since names occur once."""
    if isinstance(dtype, StructType):
        return _record(dtype, path, f"{path}_")
    if isinstance(dtype, ArrayType):
        return {"type": "array", "items": ["null", _avro_type(dtype.elementType, path)]}
    return _AVRO_TYPES[dtype]
