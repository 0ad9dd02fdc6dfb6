"""Choosing, ordering and failing of modules, built-in and one's own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from broker.errors import SettingsError
from broker.science.engine import own
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from tests.recorded_packets import Computed
from tests.unit.science.plug_ins import FAINT_KEYS, PICKY_KEYS, switch_on


def rows_with(ztf: Computed, folder: Path | None, *modules: str) -> list[dict[str, Any]]:
    science = SciencePass("ztf", ScienceSettings(modules=modules, folder=folder))
    return Computed(ztf.packets, science).rows


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the log says, again in each test."""
    own._say_once.cache_clear()
    caplog.set_level(logging.ERROR)
    return caplog


def test_a_function_of_one_s_own_adds_one_column_of_its_file_s_name(
    ztf: Computed, tmp_path: Path
) -> None:
    switch_on(tmp_path, "faint", **FAINT_KEYS)
    rows = rows_with(ztf, tmp_path, "real_bogus")
    for packet, row in zip(ztf.packets, rows, strict=True):
        faint = packet["candidate"]["magpsf"] > 19.5 and row["real_bogus"]["is_real"]
        assert row["faint"] == {"is_faint": faint, "field": packet["candidate"]["field"]}


def test_built_in_columns_are_null_when_their_module_does_not_run(ztf: Computed) -> None:
    rows = rows_with(ztf, None, "solar_system")
    for row, full in zip(rows, ztf.rows, strict=True):
        assert row.keys() == full.keys()
        assert row["solar_system"] == full["solar_system"]
        for name in ("real_bogus", "slope", "recent", "rise", "fade", "slopes"):
            assert row[name] is None


def test_a_module_reads_null_where_the_module_before_it_is_off(
    ztf: Computed, tmp_path: Path
) -> None:
    switch_on(tmp_path, "faint", **FAINT_KEYS)
    rows = rows_with(ztf, tmp_path)
    assert not any(row["faint"]["is_faint"] for row in rows)
    assert not any(row["errors"] for row in rows)


def test_a_module_that_raises_spoils_only_the_alerts_it_raises_on(
    ztf: Computed, tmp_path: Path
) -> None:
    switch_on(tmp_path, "picky", **PICKY_KEYS)
    rows = rows_with(ztf, tmp_path, "real_bogus", "slope")
    for row, full in zip(rows, ztf.rows, strict=True):
        assert (row["real_bogus"], row["slope"]) == (full["real_bogus"], full["slope"])
        if row["gal_lat_deg"] < 0:
            assert row["picky"] is None
            error = {"module": "picky", "error": "ValueError: 1 alerts are southern"}
            assert row["errors"] == [error]
        else:
            assert row["picky"] == row["gal_lat_deg"]
            assert row["errors"] == []


def test_a_module_that_breaks_its_declaration_gives_nulls_and_says_so(
    ztf: Computed, tmp_path: Path
) -> None:
    few = Computed(ztf.packets[:5], ztf.science)
    switch_on(tmp_path, "wordy", inputs=["mag"], returns="double")
    switch_on(tmp_path, "short", inputs=["mag"], returns="double")
    for row in rows_with(few, tmp_path):
        assert (row["wordy"], row["short"]) == (None, None)
        first, second = row["errors"]
        assert first["error"].startswith("TypeError: module short gave 0 rows of Series")
        assert second["error"].startswith("ArrowInvalid: ")


def test_the_history_comes_in_the_packet_s_order_with_the_alert_last(
    ztf: Computed, tmp_path: Path
) -> None:
    switch_on(tmp_path, "detections", inputs=["history+candidate.magpsf"], returns="int")
    switch_on(tmp_path, "times", inputs=["history+candidate.jd"], returns="array<double>")
    for packet, row in zip(ztf.packets, rows_with(ztf, tmp_path), strict=True):
        history = packet["prv_candidates"] or []
        entries = [*history, packet["candidate"]]
        assert row["detections"] == sum(entry.get("magpsf") is not None for entry in entries)
        last = packet["candidate"]["jd"]
        assert row["times"] == [entry["jd"] - last for entry in entries]


def test_a_map_becomes_a_struct_of_its_keys_and_constants_are_arguments(
    ztf: Computed, tmp_path: Path
) -> None:
    switch_on(
        tmp_path,
        "extremes",
        inputs=["history+candidate.magpsf", "=100", "=AB"],
        returns="map<string, double>",
        keys=["low", "high"],
    )
    switch_on(tmp_path, "double_of", inputs=["extremes.low"], returns="double")
    for packet, row in zip(ztf.packets, rows_with(ztf, tmp_path), strict=True):
        entries = [*(packet["prv_candidates"] or []), packet["candidate"]]
        found = [entry.get("magpsf") for entry in entries]
        mags = [mag for mag in found if mag is not None]
        assert row["extremes"] == pytest.approx({"low": 100 + min(mags), "high": 100 + max(mags)})
        assert row["double_of"] == 2 * row["extremes"]["low"]


def test_ids_come_as_text(ztf: Computed, tmp_path: Path) -> None:
    switch_on(tmp_path, "kinds", inputs=["alert_id", "object_id", "candid"], returns="string")
    for packet, row in zip(ztf.packets, rows_with(ztf, tmp_path), strict=True):
        assert row["kinds"] == f"str {packet['objectId']}"


@pytest.mark.parametrize(
    ("name", "keys", "reason"),
    [
        ("faint", {"inputs": ["redshift"], "returns": "double"}, "redshift: neither a column"),
        (
            "faint",
            {"inputs": ["real_bogus.real"], "returns": "double"},
            "reads real_bogus.real: real_bogus is struct<score",
        ),
        ("faint", {"inputs": ["candidate.drbb"], "returns": "double"}, "the packets of ztf don't"),
        ("faint", {"inputs": ["lightcurve"], "returns": "double"}, "name one of its fields"),
        (
            "faint",
            {"inputs": ["history+candidate.candid"], "returns": "double"},
            "a list of 64-bit integers: where one is null, pandas makes them floats",
        ),
        ("faint", {"inputs": ["history+diaSource.snr"], "returns": "double"}, "history+candidate."),
        ("faint", {"inputs": ["=science.radius"], "returns": "double"}, "no number science.radius"),
        ("faint", {"inputs": ["mag"], "returns": "decimal"}, "unknown type 'decimal'"),
        ("faint", {"inputs": ["mag"], "returns": "map<string, double>"}, "name its keys"),
        ("faint", {"inputs": ["mag"]}, "returns: Field required"),
        ("picky", {"inputs": ["mag"], "returns": "int"}, "is a pandas UDF of double, but returns"),
        ("not_a_function", {"inputs": ["mag"], "returns": "int"}, "there is no such function"),
        (
            "faint",
            {"inputs": ["mag"], "returns": "int", "function": "no.such:one"},
            "cannot import no.such: ModuleNotFoundError",
        ),
        (
            "slope",
            {"inputs": ["mag"], "returns": "int", "function": "tests.unit.science.plug_ins:faint"},
            "'slope' is a column of the science table",
        ),
        (
            "classifier",
            {"inputs": ["mag"], "returns": "int", "function": "tests.unit.science.plug_ins:faint"},
            "'classifier' is a column of the science table",
        ),
    ],
)
def test_a_broken_file_is_left_out_loudly_and_the_others_run(
    tmp_path: Path,
    said: pytest.LogCaptureFixture,
    name: str,
    keys: dict[str, object],
    reason: str,
) -> None:
    switch_on(tmp_path, name, **keys)
    switch_on(tmp_path, "detections", inputs=["history+candidate.magpsf"], returns="int")
    science = SciencePass("ztf", ScienceSettings(modules=("slope",), folder=tmp_path))
    assert [module.name for module in science.modules] == ["slope", "detections"]
    assert f"science module {name} is left out: " in said.text
    assert reason in said.text


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (["slopes"], "unknown module 'slopes'; known: real_bogus, solar_system, slope, classifier"),
        (["tests.plug_ins:Faint"], "one of your own is a file in science.folder"),
        (["slope", "slope"], "'slope' runs twice"),
        (
            ["classifier", "real_bogus"],
            "classifier reads real_bogus.is_real of real_bogus, so real_bogus must come before",
        ),
    ],
)
def test_modules_that_cannot_run_are_refused_by_name(modules: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        SciencePass("ztf", ScienceSettings(modules=tuple(modules)))
    assert message in str(refused.value)
