"""Writer schemas made readable: any version of a survey's packet against one reader schema.

Avro resolves a writer's schema against a reader's by record names and types. Surveys rename
records between versions, so here every record is named after its place in the packet. A field
whose type the reader cannot hold without loss is skipped like one that the reader does not have;
both are listed, and raw keeps the bytes of such packets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from broker.packets.schemas import Schema, load_schema
from broker.surveys import Survey

# Ends the name of a field whose name another field of the record has too.
_HIDDEN_NAMESAKE = "__namesake"
# Promotions of Avro that lose nothing.
_WIDER = {"int": {"long", "double"}, "float": {"double"}}


@dataclass(frozen=True)
class Writer:
    """A writer schema, aligned with the reader schema.

    Parameters
    ----------
    key
        What raw keeps as ``ingest.schema_key``.
    schema
        Aligned schema as JSON, for ``from_avro``.
    unknown_fields
        Dotted names of fields that the raw table has no column for.
    """

    key: str
    schema: str
    unknown_fields: tuple[str, ...]


def reader_schema(survey: Survey) -> Any:
    """Reader schema of a survey: its packet schema with every field nullable, default null."""
    return _with_defaults(inlined(load_schema(survey.schema_folder), survey.name))


def align(key: str, schema: Schema, reader: Any) -> Writer:
    """Writer schema that Avro can resolve against ``reader`` whatever its version.

    Raises
    ------
    ValueError
        The schema is not a record, or refers to itself.
    """
    placed = inlined(schema, reader["name"])
    if not isinstance(placed, dict) or placed.get("type") != "record":
        raise ValueError(f"the packet's schema is a {type(placed).__name__}, not a record")
    unknown: list[str] = []
    aligned = _align_record(placed, reader, "", unknown)
    return Writer(key, json.dumps(aligned, separators=(",", ":")), tuple(unknown))


def inlined(schema: Schema, name: str) -> Any:
    """Schema without references, each named type called after its place in the record ``name``.

    Raises
    ------
    ValueError
        The schema refers to itself.
    """
    return _place(schema, name, {})


def _place(schema: Any, place: str, named: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return _place_union(schema, place, named)
    if isinstance(schema, str):
        return _place_name(schema, place, named)
    kind = schema["type"]
    if kind == "record":
        return _place_record(schema, place, named)
    if kind in ("array", "map"):
        inner = "items" if kind == "array" else "values"
        return {"type": kind, inner: _place(schema[inner], place, named)}
    if kind in ("enum", "fixed"):
        named[schema["name"]] = schema
        return {**_without_docs(schema), "name": place}
    return _place(kind, place, named) if isinstance(kind, (list, dict)) else _without_docs(schema)


def _place_union(branches: list[Any], place: str, named: dict[str, Any]) -> list[Any]:
    """A union, each of its records under a name of its own: Avro refuses namesakes."""
    placed: list[Any] = []
    for branch in branches:
        before = sum(isinstance(other, dict) and "name" in other for other in placed)
        placed.append(_place(branch, f"{place}__{before}" if before else place, named))
    return placed


def _place_name(name: str, place: str, named: dict[str, Any]) -> Any:
    if name not in named:
        return name
    if named[name] is None:
        raise ValueError(f"the record {name} contains itself")
    return _place(named[name], place, named)


def _place_record(schema: Any, place: str, named: dict[str, Any]) -> Any:
    name = schema["name"]
    named[name] = None  # until it ends
    fields = [
        {"name": field_name, "type": _place(field["type"], f"{place}_{field_name}", named)}
        for field_name, field in zip(_distinct_names(schema), schema["fields"], strict=True)
    ]
    named[name] = schema
    return {"type": "record", "name": place, "fields": fields}


def _distinct_names(record: Any) -> list[str]:
    """Names of a record's fields; of several with one name the last keeps it.

    Java's Avro refuses namesakes, which WINTER's schema has (``sgmag1``). What writes them from
    one dictionary gives all of them one value, and a dictionary keeps the last.
    """
    names = [str(field["name"]) for field in record["fields"]]
    return [
        f"{name}{_HIDDEN_NAMESAKE}{names[:k].count(name)}" if name in names[k + 1 :] else name
        for k, name in enumerate(names)
    ]


def _without_docs(schema: Any) -> Any:
    return {key: value for key, value in schema.items() if key not in ("doc", "aliases")}


def _with_defaults(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_defaults(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if schema["type"] == "array":
        return {**schema, "items": _with_defaults(schema["items"])}
    if schema["type"] != "record":
        return schema
    fields = [
        {
            "name": field["name"],
            "type": ["null", *(_with_defaults(branch) for branch in _branches(field["type"]))],
            "default": None,
        }
        for field in schema["fields"]
    ]
    return {**schema, "fields": fields}


def _branches(kind: Any) -> list[Any]:
    """Non-null alternatives of a type."""
    return [b for b in (kind if isinstance(kind, list) else [kind]) if b != "null"]


def _align_record(writer: Any, reader: Any, path: str, unknown: list[str]) -> Any:
    readable = {field["name"]: field["type"] for field in reader["fields"]}
    fields = []
    for field in writer["fields"]:
        name = f"{path}{field['name']}"
        target = readable.get(field["name"])
        if target is None or not _fits(field["type"], target):
            if _HIDDEN_NAMESAKE not in name:
                unknown.append(name)
            # A name that no reader has: Avro reads past the field.
            fields.append({**field, "name": f"{field['name']}__not_read"})
        else:
            kind = _align_type(field["type"], target, f"{name}.", unknown)
            fields.append({"name": field["name"], "type": kind})
    return {**writer, "fields": fields}


def _align_type(writer: Any, reader: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(writer, list):
        return [b if b == "null" else _align_type(b, reader, path, unknown) for b in writer]
    target = next((b for b in _branches(reader) if _kind(b) == _kind(writer)), None)
    if target is None or not isinstance(writer, dict):
        return writer
    if writer["type"] == "record":
        return _align_record(writer, target, path, unknown)
    if writer["type"] == "array":
        return {**writer, "items": _align_type(writer["items"], target["items"], path, unknown)}
    return writer


def _may_be_null(kind: Any) -> bool:
    return isinstance(kind, list) and "null" in kind


def _kind(schema: Any) -> str:
    return str(schema["type"] if isinstance(schema, dict) else schema)


def _fits(writer: Any, reader: Any) -> bool:
    """Whether every value of ``writer`` has an equal value in ``reader``."""
    return all(
        any(_branch_fits(branch, target) for target in _branches(reader))
        for branch in _branches(writer)
    )


def _branch_fits(writer: Any, reader: Any) -> bool:
    if _kind(writer) == "array" and _kind(reader) == "array":
        holds_nulls = _may_be_null(writer["items"]) and not _may_be_null(reader["items"])
        return not holds_nulls and _fits(writer["items"], reader["items"])
    if _kind(writer) == "record" and _kind(reader) == "record":
        return True  # field by field
    if _kind(writer) in ("enum", "fixed", "map"):
        return bool(writer == reader)
    return _kind(writer) == _kind(reader) or _kind(reader) in _WIDER.get(_kind(writer), set())
