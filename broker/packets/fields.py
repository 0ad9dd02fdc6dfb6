"""Fields of a record by dotted path, such as ``candidate.drb``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from broker.packets.schemas import Schema
from broker.packets.walk import named_types, non_null, resolved


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """Value at a dotted path; None where the field, or a record on the way, is not there."""
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def field_paths(schema: Schema) -> list[str]:
    """Dotted paths of all fields of a record, in its order; fields within lists have none."""
    return list(_paths(schema, "", named_types(schema)))


def _paths(record: Schema, prefix: str, types: dict[str, Schema]) -> Iterator[str]:
    for field in record["fields"]:
        path = prefix + field["name"]
        yield path
        for branch in non_null(resolved(field["type"], types)):
            definition = resolved(branch, types)
            # A record may contain itself only through null; no survey does, so one level is all.
            if definition["type"] == "record":
                inner = {name: item for name, item in types.items() if item is not record}
                yield from _paths(definition, f"{path}.", inner)
