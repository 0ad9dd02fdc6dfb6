"""Description of a packet: version, framing, and its fields and types as a tree."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from rich.tree import Tree

from broker.client.alert import Received
from broker.packets.framing import Framing
from broker.packets.schemas import Schema, fingerprint, schema_version
from broker.packets.walk import NAMED, AvroType, inner_types, named_types, non_null, resolved


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
    inner = sum(len(found.get("fields", ())) for found in named_types(schema).values())
    yield f"fields       {len(schema['fields'])} at the top, {inner} with those within records"


def schema_tree(schema: Schema) -> Tree:
    """Fields and types as a tree; a record that occurs again is not unfolded again."""
    tree = Tree(Text(schema["name"], style="bold"), guide_style="dim")
    _grow(tree, schema, named_types(schema), {schema["name"]})
    return tree


_FRAMINGS: dict[Framing, str] = {
    "container": "an Avro object container that brings its schema",
    "bare": "only an Avro datum; the schema comes from elsewhere",
    "confluent": "a zero byte, the schema's id, an Avro datum",
}


def _grow(tree: Tree, record: Schema, named: dict[str, Schema], unfolded: set[str]) -> None:
    width = max((len(field["name"]) for field in record["fields"]), default=0)
    for field in record["fields"]:
        inner = _record_within(field["type"], named)
        again = inner is not None and inner["name"] in unfolded
        label = Text(field["name"].ljust(width + 2))
        label.append(_type_name(field["type"], named), style="cyan")
        if again:
            label.append(", as above", style="dim")
        branch = tree.add(label)
        if inner is not None and not again:
            unfolded.add(inner["name"])
            _grow(branch, inner, named, unfolded)


def _record_within(avro_type: AvroType, named: dict[str, Schema]) -> Schema | None:
    """Record that a field is, or is a list, map or union of."""
    definition = resolved(avro_type, named)
    if isinstance(definition, dict) and definition["type"] == "record":
        return definition
    found = (_record_within(inner, named) for inner in inner_types(definition))
    return next((record for record in found if record is not None), None)


def _type_name(avro_type: AvroType, named: dict[str, Schema]) -> str:
    definition = resolved(avro_type, named)
    if isinstance(definition, list):
        names = [_type_name(item, named) for item in non_null(definition)]
        return " or ".join([*names, "null"] if len(names) < len(definition) else names)
    kind = str(definition["type"])
    if "logicalType" in definition:
        return f"{definition['logicalType']} ({kind})"
    if kind in ("array", "map"):
        (inner,) = inner_types(definition)
        return f"{kind} of {_type_name(inner, named).removeprefix('record ')}"
    if kind in NAMED:
        return f"{kind} {definition['name'].rpartition('.')[2]}"
    return kind
