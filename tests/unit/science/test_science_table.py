"""The declared table: complete, with units, and able to say what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from broker.errors import PublishError
from broker.packets.schemas import load_schema
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from broker.surveys import SURVEYS, get_survey
from broker.tables.declaration import check_schema, differences
from broker.tables.science_schema import science_schema
from tests.unit.science.plug_ins import FAINT_KEYS, switch_on


def declared(survey: str, *modules: str, folder: Path | None = None) -> pa.Schema:
    settings = ScienceSettings(modules=modules, folder=folder)
    return science_schema(get_survey(survey), SciencePass(survey, settings).fields)


def all_fields(fields: Iterator[pa.Field], prefix: str = "") -> Iterator[tuple[str, pa.Field]]:
    for field in fields:
        yield f"{prefix}{field.name}", field
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_struct(kind):
            yield from all_fields(iter(kind), f"{prefix}{field.name}.")


@pytest.mark.parametrize("survey", SURVEYS)
def test_every_field_has_a_unit_and_a_meaning(survey: str) -> None:
    for path, field in all_fields(iter(declared(survey, "real_bogus"))):
        assert field.metadata is not None, path
        assert field.metadata.keys() == {b"unit", b"meaning"}, path
        assert field.metadata[b"meaning"], path


@pytest.mark.parametrize("survey", SURVEYS)
def test_units_are_given_for_exactly_the_fields_of_the_records(survey: str) -> None:
    mapping = get_survey(survey).science
    by_name = {f["name"]: f for f in load_schema(get_survey(survey).schema_folder)["fields"]}
    paths = set()
    for name in mapping.records:
        branches = by_name[name]["type"]
        record = branches if isinstance(branches, dict) else branches[-1]
        paths |= {f"{name}.{field['name']}" for field in record["fields"]}
    assert paths == set(mapping.record_units)


def test_columns_come_in_the_contract_s_order(tmp_path: Path) -> None:
    switch_on(tmp_path, "faint", **FAINT_KEYS)
    names = declared("ztf", "real_bogus", "solar_system", "slope", folder=tmp_path).names
    wanted = [
        "alert_id",
        "object_id",
        "survey",
        "ra_deg",
        "dec_deg",
        "gal_lat_deg",
        "ecl_lat_deg",
        "healpix29",
        "mjd",
        "mjd_tai_mid",
        "night",
        "band",
        "mag",
        "mag_err",
        "flux_njy",
        "flux_err_njy",
        "is_positive",
        "n_detections",
        "age_days",
        "last_limit",
        "lightcurve",
        "colour",
        "real_bogus",
        "solar_system",
        "slope",
        "recent",
        "rise",
        "fade",
        "slopes",
        "classifier",
        "faint",
        "provenance",
        "ingest",
        "raw_at",
        "science_at",
        "candidate",
    ]
    assert names == wanted


def test_units_and_meanings_of_one_s_own_are_declared_too(tmp_path: Path) -> None:
    unit, meaning = {"low": "mag"}, {"low": "the smaller", "high": "the larger"}
    keys = {"inputs": ["history+candidate.magpsf", "=1", "=AB"], "unit": unit, "meaning": meaning}
    switch_on(tmp_path, "extremes", returns="struct<low: double, high: double>", **keys)
    found = declared("ztf", folder=tmp_path).field("extremes").type
    for field in found:
        assert field.metadata[b"unit"].decode() == unit.get(field.name, "")
        assert field.metadata[b"meaning"].decode() == meaning[field.name]


def test_a_table_as_declared_passes() -> None:
    schema = declared("elasticc", "slope")
    assert differences(schema.remove_metadata(), schema) == []
    check_schema(schema, schema, "science")


def test_what_differs_is_listed_by_name() -> None:
    schema = declared("ztf", "slope")
    colour = pa.struct([("g_minus_r", pa.float32()), ("g_minus_r_err", pa.float64())])
    position = schema.get_field_index("colour")
    changed = schema.set(position, pa.field("colour", colour)).append(pa.field("extra", pa.int8()))
    assert differences(changed, schema) == [
        "colour.days_apart: missing",
        "extra: not declared",
        "colour.g_minus_r: float, declared double",
    ]
    with pytest.raises(PublishError, match=r"colour\.days_apart: missing"):
        check_schema(changed, schema, "science")
