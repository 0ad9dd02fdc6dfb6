"""Writer schemas of any version of a survey's packet, aligned with its one reader schema.

Avro resolves a writer's schema against a reader's by record names and types. Surveys rename
records between versions, so here every record is named after its path in the packet. A field
whose type the reader cannot hold without loss is skipped like one that the reader does not have;
both are listed, and raw keeps the bytes of such packets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from broker.packets.inline import HIDDEN_NAMESAKE, inlined
from broker.packets.schemas import Schema, load_schema
from broker.packets.walk import AvroField, AvroType, map_inner, non_null, with_nullable_fields
from broker.surveys import Survey

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
    return with_nullable_fields(inlined(load_schema(survey.schema_folder), survey.name))


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


def _align_record(writer: AvroType, reader: AvroType, path: str, unknown: list[str]) -> AvroType:
    readable = {field["name"]: field["type"] for field in reader["fields"]}

    def aligned(field: AvroField) -> AvroField:
        name = f"{path}{field['name']}"
        target = readable.get(field["name"])
        if target is None or not _fits(field["type"], target):
            if HIDDEN_NAMESAKE not in name:
                unknown.append(name)
            # A name that no reader has: Avro reads past the field.
            return {**field, "name": f"{field['name']}__not_read"}
        avro_type = _align_type(field["type"], target, f"{name}.", unknown)
        return {"name": field["name"], "type": avro_type}

    return {**writer, "fields": [aligned(field) for field in writer["fields"]]}


def _align_type(writer: AvroType, reader: AvroType, path: str, unknown: list[str]) -> AvroType:
    if isinstance(writer, list):
        return map_inner(writer, lambda branch: _align_type(branch, reader, path, unknown))
    target = next((b for b in non_null(reader) if _kind(b) == _kind(writer)), None)
    if target is None or not isinstance(writer, dict):
        return writer
    if writer["type"] == "record":
        return _align_record(writer, target, path, unknown)
    if writer["type"] == "array":
        return map_inner(writer, lambda items: _align_type(items, target["items"], path, unknown))
    return writer


def _may_be_null(avro_type: AvroType) -> bool:
    return isinstance(avro_type, list) and "null" in avro_type


def _kind(avro_type: AvroType) -> str:
    """Avro's word for a type: such as record, array or long."""
    return str(avro_type["type"] if isinstance(avro_type, dict) else avro_type)


def _fits(writer: AvroType, reader: AvroType) -> bool:
    """Whether every value of ``writer`` has an equal value in ``reader``."""
    return all(
        any(_branch_fits(branch, target) for target in non_null(reader))
        for branch in non_null(writer)
    )


def _branch_fits(writer: AvroType, reader: AvroType) -> bool:
    if _kind(writer) == "array" and _kind(reader) == "array":
        holds_nulls = _may_be_null(writer["items"]) and not _may_be_null(reader["items"])
        return not holds_nulls and _fits(writer["items"], reader["items"])
    if _kind(writer) == "record" and _kind(reader) == "record":
        return True  # field by field
    if _kind(writer) in ("enum", "fixed", "map"):
        return bool(writer == reader)
    return _kind(writer) == _kind(reader) or _kind(reader) in _WIDER.get(_kind(writer), set())
