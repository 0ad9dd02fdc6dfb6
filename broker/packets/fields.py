"""Fields of a record by dotted path, such as ``candidate.drb``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from broker.packets.schemas import Schema


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """Value at a dotted path; None where the field, or a record on the way, is not there."""
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def field_paths(schema: Schema) -> list[str]:
    """Dotted paths of all fields of a record, in its order; what is within lists has none."""
    return list(_paths(schema, "", named_types(schema)))


def named_types(schema: Schema) -> dict[str, Schema]:
    """Definitions of all named types within a schema, by full name."""
    found: dict[str, Schema] = {}

    def collect(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                collect(item)
        elif isinstance(node, dict):
            if "name" in node and node["type"] in ("record", "enum", "fixed"):
                found[node["name"]] = node
            for key in ("type", "items", "values"):
                collect(node.get(key))
            for field in node.get("fields", ()):
                collect(field["type"])

    collect(schema)
    return found


def non_null(kind: Any) -> list[Any]:
    """Types of a field without null: one for ``["null", T]``, several for a wider union."""
    return [item for item in kind if item != "null"] if isinstance(kind, list) else [kind]


def _paths(record: Schema, prefix: str, types: dict[str, Schema]) -> Iterator[str]:
    for field in record["fields"]:
        path = prefix + field["name"]
        yield path
        for kind in non_null(field["type"]):
            definition = types.get(kind) if isinstance(kind, str) else kind
            # A record may contain itself only through null; no survey does, so one level is all.
            if definition is not None and definition.get("type") == "record":
                inner = {name: item for name, item in types.items() if item is not record}
                yield from _paths(definition, f"{path}.", inner)
