"""Schemas: loading, resolving, comparing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broker.errors import InputError
from broker.packets.framing import Decoder, encode
from broker.packets.schemas import (
    canonical,
    fingerprint,
    load_schema,
    parse_schema,
    parse_schema_text,
    registered_ids,
    schema_text,
    schema_version,
)

SOURCE = {
    "type": "record",
    "namespace": "toy.v2_1",
    "name": "source",
    "doc": "one point",
    "fields": [{"name": "flux", "type": ["null", "float"], "default": None}],
}
ALERT = {
    "type": "record",
    "namespace": "toy.v2_1",
    "name": "alert",
    "fields": [
        {"name": "alertId", "type": "long"},
        {"name": "source", "type": "toy.v2_1.source"},
        {"name": "history", "type": {"type": "array", "items": "source"}},
    ],
}
STRAY = {"type": "record", "name": "stray", "namespace": "toy.v2_1", "fields": []}
SCHEMAS = Path(__file__).parents[3] / "schemas"


def write(folder: Path, *schemas: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for schema in schemas:
        (folder / f"{schema['name']}.avsc").write_text(json.dumps(schema))
    return folder


def test_a_folder_resolves_records_named_in_full_and_in_short(tmp_path: Path) -> None:
    schema = load_schema(write(tmp_path, ALERT, SOURCE, STRAY))
    record = {"alertId": 7, "source": {"flux": 1.5}, "history": [{"flux": None}]}
    value = encode(record, schema, "bare")
    assert Decoder("bare", schema).decode(value).record == record


def test_a_file_resolves_names_in_the_files_beside_it(tmp_path: Path) -> None:
    write(tmp_path, ALERT, SOURCE)
    assert load_schema(tmp_path / "alert.avsc") == load_schema(tmp_path)


def test_a_resolved_schema_survives_the_trip_through_json(tmp_path: Path) -> None:
    schema = load_schema(write(tmp_path, ALERT, SOURCE))
    again = parse_schema_text(schema_text(schema).encode())
    assert canonical(again) == canonical(schema)
    assert "__" not in schema_text(schema)


def test_without_an_alert_record_the_only_unreferenced_one_is_the_top(tmp_path: Path) -> None:
    top = {**ALERT, "name": "packet"}
    assert load_schema(write(tmp_path, top, SOURCE))["name"] == "toy.v2_1.packet"


def test_a_folder_with_two_tops_asks_for_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no single top-level alert.*packet.*stray"):
        load_schema(write(tmp_path, {**ALERT, "name": "packet"}, SOURCE, STRAY))


def test_an_undefined_record_is_named_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'toy.v2_1.source'.*defined: toy.v2_1.alert") as caught:
        load_schema(write(tmp_path, ALERT))
    assert caught.value.reason == "schema_unknown"


def test_a_missing_schema_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere") as caught:
        load_schema(tmp_path / "nowhere")
    assert caught.value.reason == "schema_unknown"


@pytest.mark.parametrize(
    "raw",
    [
        [SOURCE],
        "string",
        {"type": "enum", "name": "e", "symbols": ["A"]},
        {"type": "record", "name": "r"},
        {"type": "record", "name": "r", "fields": [{"name": "f", "type": "strnig"}]},
    ],
)
def test_what_is_not_one_valid_record_is_refused(raw: object) -> None:
    with pytest.raises(InputError, match="here: ") as caught:
        parse_schema(raw, "here")
    assert caught.value.reason == "schema_unreadable"


def test_a_default_that_contradicts_its_type_does_not_stop_reading() -> None:
    field = {"name": "n", "type": "int", "default": None}
    schema = parse_schema({"type": "record", "name": "turbo", "fields": [field]}, "here")
    assert Decoder("bare", schema).decode(b"\x08").record == {"n": 4}


def test_docs_defaults_and_spelling_do_not_change_the_fingerprint() -> None:
    plain = {
        "type": "record",
        "name": "toy.v2_1.source",
        "fields": [{"name": "flux", "type": ["null", {"type": "float"}]}],
    }
    assert fingerprint(parse_schema(SOURCE, "a")) == fingerprint(parse_schema(plain, "b"))


def test_a_logical_type_changes_the_fingerprint() -> None:
    def with_type(kind: object) -> dict[str, Any]:
        record = {"type": "record", "name": "r", "fields": [{"name": "t", "type": kind}]}
        return parse_schema(record, "here")

    stamp = with_type({"type": "long", "logicalType": "timestamp-micros"})
    assert fingerprint(stamp) != fingerprint(with_type("long"))


def test_the_version_comes_from_the_attribute_or_the_namespace() -> None:
    assert schema_version(parse_schema(SOURCE, "here")) == "2.1"
    assert schema_version(parse_schema({**SOURCE, "version": "4.02"}, "here")) == "4.02"
    assert schema_version(parse_schema({**SOURCE, "namespace": "toy"}, "here")) is None


def test_a_registry_knows_both_spellings_of_a_version(tmp_path: Path) -> None:
    for name in ("v7_0", "10_1", "11.0", "notes"):
        (tmp_path / name).mkdir()
    assert sorted(registered_ids(tmp_path)) == [700, 1001, 1100]


@pytest.mark.parametrize("folder", sorted(path.parent for path in SCHEMAS.rglob("*.alert.avsc")))
def test_every_schema_of_the_repository_loads_and_states_its_version(folder: Path) -> None:
    assert schema_version(load_schema(folder)) == folder.name


def test_every_shared_schema_loads(shared_data: Path) -> None:
    folders = sorted((shared_data / "schema").glob("*/[vo]*"))
    assert len(folders) == 15
    for folder in folders:
        schema = load_schema(folder)
        assert canonical(parse_schema_text(schema_text(schema).encode())) == canonical(schema)


def test_the_official_ztf_files_equal_the_schema_in_the_packets(shared_data: Path) -> None:
    official = load_schema(shared_data / "schema/ztf/official_4.02")
    embedded = load_schema(shared_data / "schema/ztf/ztf_4.02_writer.avsc")
    assert fingerprint(official) == fingerprint(embedded)
