"""Avro types and Arrow types say the same of a column, in both directions."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from broker.errors import InputError
from broker.packets.avro_to_arrow import arrow_fields, avro_record

FIELDS: dict[str, tuple[Any, pa.DataType]] = {
    "a": ("boolean", pa.bool_()),
    "b": ("int", pa.int32()),
    "c": ("long", pa.int64()),
    "d": ("float", pa.float32()),
    "e": ("double", pa.float64()),
    "f": ("string", pa.string()),
    "g": ("bytes", pa.binary()),
    "h": ({"type": "long", "logicalType": "timestamp-micros"}, pa.timestamp("us", tz="UTC")),
    "i": ({"type": "array", "items": ["null", "float"]}, pa.list_(pa.float32())),
}


def record(fields: dict[str, Any]) -> dict[str, Any]:
    listed = [{"name": name, "type": ["null", avro]} for name, avro in fields.items()]
    return {"type": "record", "name": "alert", "fields": listed}


def test_avro_and_arrow_types_go_both_ways() -> None:
    schema = record({name: avro for name, (avro, _) in FIELDS.items()})
    fields = arrow_fields(schema)
    assert {field.name: field.type for field in fields} == {
        name: dtype for name, (_, dtype) in FIELDS.items()
    }
    assert avro_record(fields, "alert") == schema


def test_a_record_within_is_called_after_its_path() -> None:
    inner = pa.struct([pa.field("mag", pa.float64(), nullable=False)])
    schema = avro_record([pa.field("now", pa.struct([pa.field("point", inner)]))], "alert")
    now = schema["fields"][0]["type"][1]
    assert now["name"] == "now"
    point = now["fields"][0]["type"][1]
    assert point == {
        "type": "record",
        "name": "now_point",
        "fields": [{"name": "mag", "type": "double"}],
    }


def test_wanted_fields_come_in_their_order_with_their_paths() -> None:
    point = {"type": "record", "name": "point", "fields": [{"name": "mag", "type": "float"}]}
    schema = record({"now": point, "before": "point", "id": "long"})
    paths: list[str] = []

    def noted(name: str, dtype: pa.DataType, path: str) -> pa.Field:
        paths.append(path)
        return pa.field(name, dtype)

    fields = arrow_fields(schema, ["id", "before"], noted)
    assert fields == [
        pa.field("id", pa.int64()),
        pa.field("before", pa.struct([pa.field("mag", pa.float32())])),
    ]
    assert sorted(paths) == ["before", "before.mag", "id"]


def test_a_field_of_several_types_is_refused_by_name() -> None:
    schema = record({})
    schema["fields"] = [{"name": "either", "type": ["null", "int", "string"]}]
    with pytest.raises(InputError, match="field either may be any of"):
        arrow_fields(schema)
