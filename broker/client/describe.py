"""Describe a packet: version, framing, and its fields and types as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text
from rich.tree import Tree

from broker.client.alert import Received
from broker.packets.fields import named_types, non_null
from broker.packets.framing import Framing
from broker.packets.schemas import Schema, fingerprint, schema_version


def describe_packet(received: Received) -> Iterator[str]:
    """Lines on the packet itself and on the schema that its writer used."""
    packet = received.packet
    yield f"packet       {received.origin}"
    yield f"framing      {packet.framing}: {_FRAMINGS[packet.framing]}"
    yield f"size         {len(received.value):,} bytes"
    yield from describe_schema(packet.schema)


def describe_schema(schema: Schema) -> Iterator[str]:
    """Lines on a schema: name, version, fingerprint, number of fields."""
    yield f"schema       {schema['name']}"
    yield f"version      {schema_version(schema) or 'not stated'}"
    yield f"fingerprint  {fingerprint(schema)}"
    inner = sum(len(kind.get("fields", ())) for kind in named_types(schema).values())
    yield f"fields       {len(schema['fields'])} at the top, {inner} with those within records"


def schema_tree(schema: Schema) -> Tree:
    """Fields and types as a tree; a record that occurs again is not unfolded again."""
    tree = Tree(Text(schema["name"], style="bold"), guide_style="dim")
    _grow(tree, schema, named_types(schema), {schema["name"]})
    return tree


_FRAMINGS: dict[Framing, str] = {
    "container": "an Avro object container that brings its schema",
    "bare": "an Avro datum alone; the schema comes from elsewhere",
    "confluent": "a zero byte, the schema's id, an Avro datum",
}


def _grow(tree: Tree, record: Schema, types: dict[str, Schema], unfolded: set[str]) -> None:
    width = max((len(field["name"]) for field in record["fields"]), default=0)
    for field in record["fields"]:
        inner = _record_within(field["type"], types)
        again = inner is not None and inner["name"] in unfolded
        label = Text(field["name"].ljust(width + 2))
        label.append(_type_name(field["type"], types), style="cyan")
        if again:
            label.append(", as above", style="dim")
        branch = tree.add(label)
        if inner is not None and not again:
            unfolded.add(inner["name"])
            _grow(branch, inner, types, unfolded)


def _record_within(kind: Any, types: dict[str, Schema]) -> Schema | None:
    """Record that a field is, or is a list or union of."""
    if isinstance(kind, list):
        found = (_record_within(item, types) for item in kind)
        return next((record for record in found if record is not None), None)
    if isinstance(kind, str):
        definition = types.get(kind)
        return definition if definition and definition["type"] == "record" else None
    if kind["type"] == "record":
        return types[kind["name"]]
    inner = kind.get("items", kind.get("values"))
    return None if inner is None else _record_within(inner, types)


def _type_name(kind: Any, types: dict[str, Schema]) -> str:
    if isinstance(kind, list):
        names = [_type_name(item, types) for item in non_null(kind)]
        return " or ".join([*names, "null"] if len(names) < len(kind) else names)
    if isinstance(kind, str):
        definition = types.get(kind)
        return kind if definition is None else _type_name(definition, types)
    if "logicalType" in kind:
        return f"{kind['logicalType']} ({kind['type']})"
    if kind["type"] in ("array", "map"):
        inner = _type_name(kind.get("items", kind.get("values")), types)
        return f"{kind['type']} of {inner.removeprefix('record ')}"
    if "name" in kind:
        return f"{kind['type']} {kind['name'].rpartition('.')[2]}"
    return _type_name(kind["type"], types)
