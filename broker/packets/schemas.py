"""Avro schemas: loaded from files, references resolved, and compared.

A schema here is what :func:`fastavro.parse_schema` returns for one record: full names, ready to
decode with, and self-contained (every named type is defined where it is used first).
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from broker.errors import InputError
from broker.packets.reasons import Reason
from broker.packets.walk import (
    NAMED,
    PRIMITIVES,
    AvroField,
    AvroType,
    map_inner,
    walk,
    without_attributes,
)

Schema = dict[str, Any]

# All that decides how bytes become values; docs, defaults and aliases do not.
_DECISIVE = (
    *("name", "type", "items", "values", "symbols", "size"),
    *("logicalType", "precision", "scale", "fields"),
)
_VERSION_IN_NAME = re.compile(r"(?:^|\.)v(\d+(?:_\d+)+)(?:\.|$)")
_VERSION_FOLDER = re.compile(r"v?(\d+)[._](\d+)")


def load_schema(path: Path) -> Schema:
    """Load the alert schema of a file or folder.

    Parameters
    ----------
    path
        One ``.avsc``, with the files whose records it names in the same folder, or a folder
        ``schemas/<survey>/<version>/`` of such files.

    Raises
    ------
    InputError
        ``schema_unknown``: no such file, or a record that no file defines;
        ``schema_unreadable``: not an Avro record schema, or no single top-level record.
    """
    if not path.exists():
        raise InputError(
            f"there is no schema at {path}; give an .avsc file or a folder of them",
            reason=Reason.SCHEMA_UNKNOWN,
        )
    siblings = _definitions(path if path.is_dir() else path.parent)
    top = _top_level(path, siblings) if path.is_dir() else _read_avsc(path)
    resolved = _Inliner(siblings, path).inline(top, namespace="")
    return parse_schema(resolved, str(path))


def load_registered(registry: Path, schema_id: int) -> Schema:
    """Load the schema that a Confluent-style id stands for.

    Parameters
    ----------
    registry
        Folder with one folder per version: ``7_0``, ``v7_0`` or ``7.0``.
    schema_id
        major × 100 + minor, as Rubin counts.

    Raises
    ------
    InputError
        ``schema_unknown``: the registry has no folder for this id.
    """
    known = registered_ids(registry)
    if schema_id not in known:
        versions = ", ".join(str(number) for number in sorted(known)) or "none"
        raise InputError(
            f"schema id {schema_id} (version {schema_id // 100}.{schema_id % 100}) is not in "
            f"{registry}; known ids: {versions}. Add a folder "
            f"v{schema_id // 100}_{schema_id % 100} with its .avsc files",
            reason=Reason.SCHEMA_UNKNOWN,
        )
    return load_schema(known[schema_id])


def registered_ids(registry: Path) -> dict[int, Path]:
    """Map each schema id of a registry folder to its version folder."""
    if not registry.is_dir():
        raise InputError(
            f"there is no schema registry folder {registry}", reason=Reason.SCHEMA_UNKNOWN
        )
    found: dict[int, Path] = {}
    for folder in sorted(registry.iterdir()):
        match = _VERSION_FOLDER.fullmatch(folder.name)
        if match and folder.is_dir():
            found[int(match[1]) * 100 + int(match[2])] = folder
    return found


def parse_schema(raw: object, origin: str) -> Schema:
    """Check a schema from anywhere and make it ready to decode with.

    Parameters
    ----------
    raw
        The JSON value.
    origin
        Where it came from, for messages.

    Raises
    ------
    InputError
        ``schema_unreadable``.
    """
    if not isinstance(raw, dict) or raw.get("type") != "record" or "fields" not in raw:
        raise InputError(
            f"{origin}: the schema is not one Avro record with fields but {str(raw)[:60]}",
            reason=Reason.SCHEMA_UNREADABLE,
        )
    try:
        parsed = _parse_leniently(raw)
    except UnknownType as error:
        raise InputError(
            f"{origin}: the schema names {error.name!r} but does not define it",
            reason=Reason.SCHEMA_UNREADABLE,
        ) from None
    except (SchemaParseException, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{origin}: not a valid Avro schema: {error}", reason=Reason.SCHEMA_UNREADABLE
        ) from None
    return parsed


@lru_cache(maxsize=128)
def parse_schema_text(text: bytes) -> Schema:
    """Parse a writer schema as it comes in a container header or a message key.

    Cached: a stream has few schemas and each text is tens of kilobytes.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"the writer schema is not JSON: {error}", reason=Reason.SCHEMA_UNREADABLE
        ) from None
    return parse_schema(raw, "writer schema")


def schema_version(schema: Schema) -> str | None:
    """Version that a schema states: its ``version`` attribute, else ``vX_Y`` in its namespace."""
    if "version" in schema:
        return str(schema["version"])
    match = _VERSION_IN_NAME.search(str(schema.get("name", "")))
    return match[1].replace("_", ".") if match else None


def canonical(schema: Schema) -> str:
    """One text per meaning: Avro's parsing canonical form, with logical types kept.

    Two schemas with the same text read the same bytes into the same values.
    """
    return json.dumps(_canonical(schema), separators=(",", ":"))


def fingerprint(schema: Schema) -> str:
    """First 16 hex digits of the SHA-256 of the canonical text."""
    return hashlib.sha256(canonical(schema).encode()).hexdigest()[:16]


def schema_text(schema: Schema) -> str:
    """Schema as compact JSON with its docs and defaults, without fastavro's own marks."""
    plain = without_attributes(schema, lambda key: key.startswith("__"))
    return json.dumps(plain, separators=(",", ":"))


def _parse_leniently(raw: Schema) -> Schema:
    try:
        return cast(Schema, fastavro.parse_schema(raw))
    except SchemaParseException:
        # TURBO writes defaults that contradict their types. Its data are sound, and who reads
        # with the writer's own schema never needs a default.
        plain = without_attributes(raw, lambda key: key == "default")
        return cast(Schema, fastavro.parse_schema(plain))


def _canonical(avro_type: AvroType) -> AvroType:
    if isinstance(avro_type, dict) and set(avro_type) <= {"type"}:  # {"type": "string"} is "string"
        return _canonical(avro_type["type"])

    def canonical_field(field: AvroField) -> AvroField:
        return {"name": field["name"], "type": _canonical(field["type"])}

    changed = map_inner(avro_type, _canonical, canonical_field)
    if not isinstance(changed, dict):
        return changed
    kept = {key: changed[key] for key in _DECISIVE if key in changed}
    return kept if set(kept) != {"type"} else kept["type"]


def _read_avsc(path: Path) -> Schema:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read the schema {path}: {error}", reason=Reason.SCHEMA_UNREADABLE
        ) from None
    if not isinstance(raw, dict) or "name" not in raw:
        raise InputError(
            f"{path}: the schema is not one named Avro record", reason=Reason.SCHEMA_UNREADABLE
        )
    return raw


def _full_name(node: Schema, namespace: str = "") -> str:
    name = str(node["name"])
    space = node.get("namespace", namespace)
    return f"{space}.{name}" if space and "." not in name else name


def _definitions(folder: Path) -> dict[str, Schema]:
    """Top-level named types of all readable .avsc files of a folder, by full name."""
    found: dict[str, Schema] = {}
    for path in sorted(folder.glob("*.avsc")):
        try:
            definition = _read_avsc(path)
        except InputError:
            continue  # a broken neighbour matters only when something refers to it
        found[_full_name(definition)] = definition
    return found


def _top_level(folder: Path, definitions: dict[str, Schema]) -> Schema:
    """Find the record called ``alert``, else the only one that no other refers to."""
    alerts = [raw for name, raw in definitions.items() if name.rpartition(".")[2] == "alert"]
    if len(alerts) == 1:
        return alerts[0]
    referred = {
        found for raw in definitions.values() for found in walk(raw) if isinstance(found, str)
    }
    roots = [raw for name, raw in definitions.items() if name not in referred]
    if len(roots) == 1:
        return roots[0]
    names = ", ".join(sorted(definitions)) or "no .avsc file"
    raise InputError(
        f"{folder} has no single top-level alert schema (found: {names}); "
        "give the file itself instead of the folder",
        reason=Reason.SCHEMA_UNREADABLE,
    )


class _Inliner:
    """Put the definition of each named type where it is used first."""

    def __init__(self, definitions: dict[str, Schema], origin: Path) -> None:
        self._definitions = definitions
        self._origin = origin
        self._defined: set[str] = set()

    def inline(self, node: Any, namespace: str) -> Any:
        if isinstance(node, str):
            return self._inline_name(node, namespace)
        if isinstance(node, dict):
            return self._inline_object(node, namespace)
        return map_inner(node, lambda inner: self.inline(inner, namespace))

    def _inline_object(self, node: Schema, namespace: str) -> Schema:
        if node.get("type") in NAMED and "name" in node:
            full = _full_name(node, namespace)
            self._defined.add(full)
            namespace = full.rpartition(".")[0]
        return cast(Schema, map_inner(node, lambda inner: self.inline(inner, namespace)))

    def _inline_name(self, name: str, namespace: str) -> Any:
        if name in PRIMITIVES:
            return name
        for full in (name, f"{namespace}.{name}"):
            if full in self._defined:
                return full
            if full in self._definitions:
                return self._inline_object(self._definitions[full], "")
        known = ", ".join(sorted(self._definitions))
        raise InputError(
            f"{self._origin} refers to {name!r}, which no .avsc there defines (defined: {known})",
            reason=Reason.SCHEMA_UNKNOWN,
        )
