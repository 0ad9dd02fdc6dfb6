"""Any version's schema is aligned with the reader's, so that Avro reads what both have."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any, cast

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.ingest.writers import align, reader_schema
from broker.packets.inline import inlined
from broker.packets.schemas import canonical, parse_schema, schema_text
from broker.surveys import SURVEYS, Survey, get_survey
from tests.crafted import elasticc_record, pgir_record, schema_of, winter_record, ztf_record

READER_FIELDS: dict[str, Any] = {
    "id": "long",
    "name": "string",
    "small": "int",
    "wide": "double",
    "score": "float",
    "image": "bytes",
    "flag": "boolean",
    "marks": {"type": "array", "items": "int"},
    "part": {"type": "record", "name": "Part", "fields": [{"name": "x", "type": "double"}]},
}
# Each Avro type with values of it; what the reader may make of it is Avro's own rule.
TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": ("int", st.integers(-(2**31), 2**31 - 1)),
    "long": ("long", st.integers(-(2**63), 2**63 - 1)),
    "float": ("float", st.floats(width=32, allow_nan=False)),
    "double": ("double", st.floats(allow_nan=False)),
    "string": ("string", st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    "bytes": ("bytes", st.binary(max_size=5)),
    "boolean": ("boolean", st.booleans()),
    "ints": ({"type": "array", "items": "int"}, st.lists(st.just(7), max_size=3)),
    "longs": ({"type": "array", "items": "long"}, st.lists(st.just(2**40), max_size=3)),
    "nulls": ({"type": "array", "items": ["null", "int"]}, st.lists(st.none(), max_size=3)),
    "part": (
        {"type": "record", "name": "P", "fields": [{"name": "x", "type": "float"}]},
        st.just({"x": 0.5}),
    ),
    "other part": (
        {"type": "record", "name": "P", "fields": [{"name": "y", "type": "string"}]},
        st.just({"y": "!"}),
    ),
    "choice": (["int", "string"], st.sampled_from([3, "three"])),
    "mode": ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, st.just("a")),
    "mac": ({"type": "fixed", "name": "F", "size": 2}, st.just(b"ab")),
}


def record_schema(fields: dict[str, Any], name: str = "Alert") -> Any:
    listed = [{"name": key, "type": kind} for key, kind in fields.items()]
    return parse_schema({"type": "record", "name": name, "fields": listed}, "test")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Reader schema of a survey with such packets."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "alert.avsc").write_text(schema_text(record_schema(READER_FIELDS)))
    return reader_schema(cast(Survey, SimpleNamespace(name="survey", schema_folder=folder)))


@st.composite
def writers(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """A writer schema that shares some names with the reader's, of any types, and a record."""
    names = draw(
        st.lists(st.sampled_from([*READER_FIELDS, "new", "newer"]), unique=True, min_size=1)
    )
    fields, record = {}, {}
    for name in names:
        kind, values = TYPES[draw(st.sampled_from(sorted(TYPES)))]
        optional = draw(st.booleans()) and not isinstance(kind, list)
        fields[name] = json.loads(
            json.dumps(["null", kind] if optional else kind)
            .replace('"P"', f'"P{name}"')
            .replace('"E"', f'"E{name}"')
            .replace('"F"', f'"F{name}"')
        )
        record[name] = draw(st.none() | values) if optional else draw(values)
    return record_schema(fields), record


@given(writers())
def test_avro_reads_every_value_that_is_not_listed_and_lists_every_value_that_it_cannot_hold(
    reader: Any, case: tuple[Any, dict[str, Any]]
) -> None:
    schema, record = case
    aligned = align("key", schema, reader)
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    stream.seek(0)
    read: Any = fastavro.schemaless_reader(stream, json.loads(aligned.schema), reader)
    assert stream.read() == b""
    for name, value in record.items():
        if name in aligned.unknown_fields:
            assert read.get(name) is None
        elif f"{name}.y" in aligned.unknown_fields and value is not None:
            assert read[name] == {"x": None}
        else:
            assert read[name] == value
    assert set(aligned.unknown_fields) >= record.keys() - READER_FIELDS.keys()


@pytest.mark.parametrize("name", sorted(SURVEYS))
def test_the_reader_has_a_null_default_for_every_field(name: str) -> None:
    def walk(schema: Any) -> None:
        for field in schema["fields"]:
            assert field["default"] is None
            assert field["type"][0] == "null"
            for branch in field["type"][1:]:
                inner = branch.get("items", branch) if isinstance(branch, dict) else branch
                if isinstance(inner, dict) and "fields" in inner:
                    walk(inner)

    walk(reader_schema(get_survey(name)))


@pytest.mark.parametrize(
    ("name", "record"),
    [
        *(("ztf", ztf_record), ("elasticc", elasticc_record)),
        *(("winter", winter_record), ("pgir", pgir_record)),
    ],
)
def test_the_surveys_own_schema_has_no_unknown_fields(name: str, record: Any) -> None:
    reader = reader_schema(get_survey(name))
    aligned = align("key", schema_of(name), reader)
    assert aligned.unknown_fields == ()
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema_of(name), record(5))
    stream.seek(0)
    assert fastavro.schemaless_reader(stream, json.loads(aligned.schema), reader) == record(5)


def test_of_two_fields_with_one_name_the_last_is_read_as_from_a_dictionary() -> None:
    twice = [
        *({"name": "score", "type": "float"}, {"name": "x", "type": "int"}),
        *({"name": "score", "type": "float"}, {"name": "x", "type": "int"}),
    ]
    schema = parse_schema({"type": "record", "name": "Alert", "fields": twice}, "test")
    reader = record_schema({"score": ["null", "float"]})
    aligned = align("key", schema, reader)
    names = [field["name"] for field in json.loads(aligned.schema)["fields"]]
    assert len(set(names)) == 4
    assert names[2] == "score"
    assert aligned.unknown_fields == ("x",)
    stream = io.BytesIO()
    for number in (1.5, 7, 2.5, 8):
        kind = "float" if isinstance(number, float) else "int"
        fastavro.schemaless_writer(stream, {"type": kind}, number)
    stream.seek(0)
    read = fastavro.schemaless_reader(stream, json.loads(aligned.schema), reader)
    assert read == {"score": 2.5}


def test_records_are_named_after_their_place_so_their_own_names_do_not_matter() -> None:
    part = {"type": "record", "name": "x.Y", "fields": [{"name": "z", "type": "int"}]}
    schema = record_schema({"one": part, "two": ["null", "x.Y"]}, "a.b.C")
    placed = inlined(json.loads(canonical(schema)), "survey")
    assert placed["name"] == "survey"
    assert placed["fields"][0]["type"]["name"] == "survey_one"
    assert placed["fields"][1]["type"][1]["name"] == "survey_two"


def test_records_of_one_union_have_names_of_their_own() -> None:
    one = {"type": "record", "name": "One", "fields": [{"name": "x", "type": "int"}]}
    two = {"type": "record", "name": "Two", "fields": [{"name": "y", "type": "int"}]}
    schema = record_schema({"either": ["null", one, "string", two], "again": ["null", "Two"]})
    placed = inlined(schema, "survey")
    either, again = (field["type"] for field in placed["fields"])
    # The first one is found in a reader that has one record there.
    assert [either[1]["name"], either[3]["name"]] == ["survey_either", "survey_either__1"]
    assert again[1]["name"] == "survey_again"


def test_a_record_that_contains_itself_is_refused() -> None:
    schema = record_schema({"next": ["null", "Alert"]})
    with pytest.raises(ValueError, match="Alert contains itself"):
        inlined(schema, "survey")


def test_a_type_may_be_used_again_after_its_end() -> None:
    part = {"type": "record", "name": "P", "fields": [{"name": "z", "type": "int"}]}
    inner = {"type": "record", "name": "Q", "fields": [{"name": "p", "type": "P"}]}
    schema = record_schema({"one": part, "two": inner, "three": "P", "four": "Q"})
    assert len(inlined(schema, "survey")["fields"]) == 4
