"""The walker sees every type of a schema once, and changes types without touching the rest."""

from __future__ import annotations

from typing import Any

import pytest

from broker.packets.inline import inlined
from broker.packets.walk import (
    inner_types,
    map_inner,
    named_types,
    resolved,
    walk,
    with_nullable_fields,
    without_attributes,
)

POINT: dict[str, Any] = {
    "type": "record",
    "name": "point",
    "doc": "a detection",
    "fields": [{"name": "mag", "type": ["null", "float"], "default": None}],
}
ALERT: dict[str, Any] = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "id", "type": {"type": "long"}},
        {"name": "now", "type": POINT},
        {"name": "history", "type": ["null", {"type": "array", "items": "point"}]},
        {"name": "marks", "type": {"type": "map", "values": "string"}},
    ],
}


def test_inner_types_are_branches_items_values_and_fields() -> None:
    assert list(inner_types(["null", "long"])) == ["null", "long"]
    assert list(inner_types({"type": "array", "items": "long"})) == ["long"]
    assert list(inner_types({"type": "map", "values": "long"})) == ["long"]
    assert list(inner_types(POINT)) == [["null", "float"]]


def test_a_primitive_has_no_inner_type() -> None:
    assert list(inner_types("long")) == []
    assert list(inner_types({"type": "long", "logicalType": "timestamp-micros"})) == []


def test_every_named_type_is_found() -> None:
    assert named_types(ALERT) == {"alert": ALERT, "point": POINT}


def test_a_walk_meets_references_and_what_they_stand_in() -> None:
    met = list(walk(ALERT))
    assert met[0] is ALERT
    assert "point" in met
    assert {"type": "array", "items": "point"} in met


def test_a_name_and_a_wrapped_type_are_resolved() -> None:
    assert resolved("point", {"point": POINT}) is POINT
    assert resolved({"type": "point"}, {"point": POINT}) is POINT
    assert resolved("long", {}) == {"type": "long"}
    assert resolved({"type": ["null", "long"]}, {}) == ["null", "long"]


def test_a_changed_copy_leaves_the_original_as_it_was() -> None:
    changed = map_inner(POINT, lambda _: "double")
    assert changed["fields"] == [{"name": "mag", "type": "double", "default": None}]
    assert changed["doc"] == "a detection"
    assert POINT["fields"][0]["type"] == ["null", "float"]


def test_nullable_fields_reach_records_within_lists() -> None:
    history = {"type": "record", "name": "a", "fields": [{"name": "h", "type": [POINT, "null"]}]}
    (field,) = with_nullable_fields(history)["fields"]
    assert field["default"] is None
    assert field["type"][0] == "null"
    assert field["type"][1]["fields"][0]["type"] == ["null", "float"]


def test_attributes_are_dropped_from_types_and_fields() -> None:
    bare = without_attributes(ALERT, lambda key: key in ("doc", "default"))
    assert bare["fields"][1]["type"] == {
        "type": "record",
        "name": "point",
        "fields": [{"name": "mag", "type": ["null", "float"]}],
    }


def test_an_inlined_schema_names_each_record_after_its_path() -> None:
    fields = {field["name"]: field["type"] for field in inlined(ALERT, "ztf")["fields"]}
    assert fields["now"]["name"] == "ztf_now"
    assert fields["history"][1]["items"]["name"] == "ztf_history"


def test_a_record_that_contains_itself_cannot_be_inlined() -> None:
    knot = {"type": "record", "name": "k", "fields": [{"name": "k", "type": ["null", "k"]}]}
    with pytest.raises(ValueError, match="the record k contains itself"):
        inlined(knot, "ztf")
