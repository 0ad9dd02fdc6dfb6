"""Choosing, ordering and failing of modules."""

from __future__ import annotations

from typing import Any

import pytest

from broker.errors import SettingsError
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from tests.recorded_packets import Computed

PLUG_INS = "tests.unit.science.plug_ins"


def rows_with(ztf: Computed, *modules: str) -> list[dict[str, Any]]:
    science = SciencePass("ztf", ScienceSettings(modules=modules))
    return Computed(ztf.packets, science).rows


def test_a_plug_in_adds_one_column_of_its_name(ztf: Computed) -> None:
    rows = rows_with(ztf, "real_bogus", f"{PLUG_INS}:Faint")
    for packet, row in zip(ztf.packets, rows, strict=True):
        faint = packet["candidate"]["magpsf"] > 19.5 and row["real_bogus"]["is_real"]
        assert row["faint"] == {"is_faint": faint, "field": packet["candidate"]["field"]}


def test_built_in_columns_are_null_when_their_module_does_not_run(ztf: Computed) -> None:
    rows = rows_with(ztf, "solar_system")
    for row, full in zip(rows, ztf.rows, strict=True):
        assert row.keys() == full.keys()
        assert row["solar_system"] == full["solar_system"]
        for name in ("real_bogus", "slope", "recent", "rise", "fade", "slopes"):
            assert row[name] is None


def test_a_module_reads_null_where_the_module_before_it_is_off(ztf: Computed) -> None:
    rows = rows_with(ztf, f"{PLUG_INS}:Faint")
    assert not any(row["faint"]["is_faint"] for row in rows)
    assert not any(row["errors"] for row in rows)


def test_a_module_that_raises_spoils_only_the_alerts_it_raises_on(ztf: Computed) -> None:
    rows = rows_with(ztf, "real_bogus", f"{PLUG_INS}:Picky", "slope")
    for row, full in zip(rows, ztf.rows, strict=True):
        assert (row["real_bogus"], row["slope"]) == (full["real_bogus"], full["slope"])
        if row["gal_lat_deg"] < 0:
            assert row["picky"] is None
            error = {"module": "picky", "error": "ValueError: 1 alerts are southern"}
            assert row["errors"] == [error]
        else:
            assert row["picky"] == {"latitude": row["gal_lat_deg"]}
            assert row["errors"] == []


def test_a_module_that_breaks_its_declaration_gives_nulls_and_says_so(ztf: Computed) -> None:
    few = Computed(ztf.packets[:5], ztf.science)
    rows = rows_with(few, f"{PLUG_INS}:Sloppy", f"{PLUG_INS}:Nosy")
    for row in rows:
        assert (row["sloppy"], row["nosy"]) == (None, None)
        first, second = row["errors"]
        assert first["error"].startswith("TypeError: module sloppy gave 1 rows of struct<latitude")
        assert second["error"] == "KeyError: 'real_bogus.is_real'"


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (["slopes"], "unknown module 'slopes'; known: real_bogus, solar_system, slope, classifier"),
        (["slope", "slope"], "'slope' runs twice"),
        (["no.such.package:Module"], "cannot load no.such.package:Module: No module named"),
        ([f"{PLUG_INS}:Nothing"], "has no attribute 'Nothing'"),
        ([f"{PLUG_INS}:NotAModule"], "is not a science module"),
        ([f"{PLUG_INS}:Impostor"], "calls itself 'slope', which ships with Nightjar"),
        ([f"{PLUG_INS}:Lost"], "lost reads 'redshift', which is neither a column"),
        (
            [f"{PLUG_INS}:Misspelt"],
            "misspelt reads real_bogus.real, but real_bogus is struct<score",
        ),
        (
            [f"{PLUG_INS}:Faint", "real_bogus"],
            "faint reads real_bogus.is_real of real_bogus, so real_bogus must come before faint",
        ),
    ],
)
def test_modules_that_cannot_run_are_refused_by_name(modules: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        SciencePass("ztf", ScienceSettings(modules=tuple(modules)))
    assert message in str(refused.value)
