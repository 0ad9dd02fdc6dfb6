"""Avro types as Arrow types and back: the one map between the two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from broker.errors import InputError
from broker.packets.schemas import Schema
from broker.packets.walk import AvroField, AvroType, named_types, non_null, resolved

_PRIMITIVES: dict[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_LOGICAL: dict[str, pa.DataType] = {
    "timestamp-millis": pa.timestamp("ms", tz="UTC"),
    "timestamp-micros": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}
_AVRO: dict[pa.DataType, AvroType] = {
    **{dtype: name for name, dtype in _PRIMITIVES.items()},
    pa.timestamp("us", tz="UTC"): {"type": "long", "logicalType": "timestamp-micros"},
}

MakeField = Callable[[str, pa.DataType, str], pa.Field]
"""Makes an Arrow field of its name, its type and its dotted path in the packet."""


def arrow_fields(
    schema: Schema, names: Iterable[str] | None = None, make_field: MakeField | None = None
) -> list[pa.Field]:
    """Fields of an Avro record as Arrow fields.

    Parameters
    ----------
    names
        Top-level fields to convert, in order. Default: all.
    make_field
        Default: a field without metadata.

    Raises
    ------
    InputError
        A field may be of several types.
    """
    converter = _Converter(named_types(schema), make_field or _plain_field)
    by_name = {field["name"]: field for field in schema["fields"]}
    chosen = by_name if names is None else names
    return [converter.field(by_name[name], name) for name in chosen]


def _plain_field(name: str, dtype: pa.DataType, _path: str) -> pa.Field:
    return pa.field(name, dtype)


def avro_record(fields: Iterable[pa.Field], name: str, prefix: str = "") -> Schema:
    """Avro record of Arrow fields.

    Parameters
    ----------
    name
        Of the record.
    prefix
        Of the names of records within it, which are called after their paths since names occur
        only once.
    """
    return {
        "type": "record",
        "name": name,
        "fields": [
            {"name": field.name, "type": _avro_field_type(field, f"{prefix}{field.name}")}
            for field in fields
        ],
    }


def _avro_field_type(field: pa.Field, path: str) -> AvroType:
    avro_type = _avro_type(field.type, path)
    return ["null", avro_type] if field.nullable else avro_type


def _avro_type(dtype: pa.DataType, path: str) -> AvroType:
    if pa.types.is_struct(dtype):
        return avro_record(list(dtype), path, f"{path}_")
    if pa.types.is_list(dtype):
        return {"type": "array", "items": ["null", _avro_type(dtype.value_type, path)]}
    return _AVRO[dtype]


@dataclass(frozen=True)
class _Converter:
    """Avro to Arrow; a type may be named where it was defined before."""

    named: Mapping[str, dict[str, Any]]
    make_field: MakeField

    def field(self, field: AvroField, path: str) -> pa.Field:
        return self.make_field(field["name"], self.dtype(field["type"], path), path)

    def dtype(self, avro_type: AvroType, path: str) -> pa.DataType:
        found = resolved(avro_type, self.named)
        if isinstance(found, list):
            branches = non_null(found)
            if len(branches) != 1:
                raise InputError(f"field {path} may be any of {found}, which no column holds")
            return self.dtype(branches[0], path)
        if found.get("logicalType") in _LOGICAL:
            return _LOGICAL[found["logicalType"]]
        return self._complex(found, path)

    def _complex(self, found: dict[str, Any], path: str) -> pa.DataType:
        match found["type"]:
            case "record":
                return pa.struct([self.field(f, f"{path}.{f['name']}") for f in found["fields"]])
            case "array":
                return pa.list_(self.dtype(found["items"], path))
            case "map":
                return pa.map_(pa.string(), self.dtype(found["values"], path))
            case "fixed":
                return pa.binary(found["size"])
            case "enum":
                return pa.string()
            case primitive:
                return _PRIMITIVES[primitive]
