"""Walker over Avro schemas: the types within a type, and copies of a type with those changed.

A type is JSON as Avro writes it: a name (of a primitive, or of a type defined before), a list (a
union), or an object with ``type``. Every recursion over schemas stands on these functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

AvroType = Any
AvroField = dict[str, Any]

PRIMITIVES = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
NAMED = ("record", "enum", "fixed", "error")
_WORDS = (*PRIMITIVES, *NAMED, "array", "map")


def inner_types(avro_type: AvroType) -> Iterator[AvroType]:
    """Types directly within a type: branches, items, values, and the types of fields."""
    if isinstance(avro_type, list):
        yield from avro_type
    elif isinstance(avro_type, dict):
        yield from (avro_type[key] for key in _inner_keys(avro_type))
        yield from (field["type"] for field in avro_type.get("fields", ()) if "type" in field)


def map_inner(
    avro_type: AvroType,
    change: Callable[[AvroType], AvroType],
    change_field: Callable[[AvroField], AvroField] | None = None,
) -> AvroType:
    """Copy of a type with `inner_types` changed.

    Parameters
    ----------
    change
        Makes the type that replaces one.
    change_field
        The same for a whole field of a record. Default: its type is changed.
    """
    if isinstance(avro_type, list):
        return [change(branch) for branch in avro_type]
    if not isinstance(avro_type, dict):
        return avro_type
    changed = avro_type | {key: change(avro_type[key]) for key in _inner_keys(avro_type)}
    if "fields" in avro_type:
        field_of = change_field or (lambda field: {**field, "type": change(field["type"])})
        changed["fields"] = [field_of(field) for field in avro_type["fields"]]
    return changed


def walk(avro_type: AvroType) -> Iterator[AvroType]:
    """Every type within a type, itself first."""
    yield avro_type
    for inner in inner_types(avro_type):
        yield from walk(inner)


def named_types(schema: AvroType) -> dict[str, dict[str, Any]]:
    """Definitions of all named types within a schema, by full name."""
    return {
        found["name"]: found
        for found in walk(schema)
        if isinstance(found, dict) and found.get("type") in NAMED
    }


def resolved(avro_type: AvroType, named: Mapping[str, dict[str, Any]]) -> Any:
    """Definition of a type: a union's list, or an object whose ``type`` is one of Avro's words.

    Parameters
    ----------
    named
        Definitions of named types.
    """
    if isinstance(avro_type, str):
        return named.get(avro_type, {"type": avro_type})
    if isinstance(avro_type, dict) and "type" in _inner_keys(avro_type):
        return resolved(avro_type["type"], named)
    return avro_type


def non_null(avro_type: AvroType) -> list[AvroType]:
    """Branches without null: one for ``["null", T]`` and for T, several for a wider union."""
    branches = avro_type if isinstance(avro_type, list) else [avro_type]
    return [branch for branch in branches if branch != "null"]


def with_nullable_fields(avro_type: AvroType) -> AvroType:
    """Copy of a type in which every field of every record is nullable, with default null."""

    def nullable(field: AvroField) -> AvroField:
        branches = non_null(with_nullable_fields(field["type"]))
        return {"name": field["name"], "type": ["null", *branches], "default": None}

    return map_inner(avro_type, with_nullable_fields, nullable)


def without_attributes(avro_type: AvroType, is_dropped: Callable[[str], bool]) -> AvroType:
    """Copy of a type in which no type or field has the attributes of these names."""

    def kept(attributes: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in attributes.items() if not is_dropped(key)}

    def again(inner: AvroType) -> AvroType:
        return without_attributes(inner, is_dropped)

    changed = map_inner(avro_type, again, lambda f: kept({**f, "type": again(f["type"])}))
    return kept(changed) if isinstance(changed, dict) else changed


def _inner_keys(avro_type: dict[str, Any]) -> list[str]:
    """Attributes of an object that are types themselves."""
    keys = [key for key in ("type", "items", "values") if key in avro_type]
    return [key for key in keys if key != "type" or avro_type["type"] not in _WORDS]
