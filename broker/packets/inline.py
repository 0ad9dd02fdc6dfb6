"""Schemas without references, in which each named type is called after its path in the packet.

Surveys rename records from version to version; a record's path in the packet stays.
"""

from __future__ import annotations

from typing import Any

from broker.packets.walk import AvroType, map_inner

HIDDEN_NAMESAKE = "__namesake"
"""Ends the name of a field whose name another field of the record has too."""


def inlined(schema: AvroType, name: str) -> AvroType:
    """Schema without references or docs, each named type called after its path in ``name``.

    Raises
    ------
    ValueError
        The schema refers to itself.
    """
    return _at(schema, name, {})


def _at(avro_type: AvroType, path: str, named: dict[str, Any]) -> AvroType:
    """Type as it stands at a path; ``named`` has None for a record that has not ended."""
    if isinstance(avro_type, list):
        return _union(avro_type, path, named)
    if isinstance(avro_type, str):
        return _definition(avro_type, path, named)
    kind = avro_type["type"]
    if kind == "record":
        return _record(avro_type, path, named)
    if kind in ("enum", "fixed"):
        named[avro_type["name"]] = avro_type
        return {**_without_docs(avro_type), "name": path}
    if not isinstance(kind, str):
        return _at(kind, path, named)
    return _without_docs(map_inner(avro_type, lambda inner: _at(inner, path, named)))


def _union(branches: list[AvroType], path: str, named: dict[str, Any]) -> list[AvroType]:
    """Union with each of its records under a name of its own: Avro refuses namesakes."""
    placed: list[AvroType] = []
    for branch in branches:
        before = sum(isinstance(other, dict) and "name" in other for other in placed)
        placed.append(_at(branch, f"{path}__{before}" if before else path, named))
    return placed


def _definition(name: str, path: str, named: dict[str, Any]) -> AvroType:
    if name not in named:
        return name
    if named[name] is None:
        raise ValueError(f"the record {name} contains itself")
    return _at(named[name], path, named)


def _record(record: dict[str, Any], path: str, named: dict[str, Any]) -> AvroType:
    named[record["name"]] = None
    fields = [
        {"name": name, "type": _at(field["type"], f"{path}_{name}", named)}
        for name, field in zip(_distinct_names(record), record["fields"], strict=True)
    ]
    named[record["name"]] = record
    return {"type": "record", "name": path, "fields": fields}


def _distinct_names(record: dict[str, Any]) -> list[str]:
    """Names of a record's fields; of several with one name the last keeps it.

    Java's Avro refuses namesakes, which WINTER's schema has (``sgmag1``). What writes them from
    one dictionary gives all of them one value, and a dictionary keeps the last.
    """
    names = [str(field["name"]) for field in record["fields"]]
    return [
        f"{name}{HIDDEN_NAMESAKE}{names[:k].count(name)}" if name in names[k + 1 :] else name
        for k, name in enumerate(names)
    ]


def _without_docs(avro_type: AvroType) -> AvroType:
    return {key: value for key, value in avro_type.items() if key not in ("doc", "aliases")}
