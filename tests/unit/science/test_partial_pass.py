"""Some modules again from rows of the science table: the values of the whole pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.science.engine.partial_pass import PartialPass
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from tests.recorded_packets import Computed, raw_table
from tests.unit.science.plug_ins import FAINT_KEYS, switch_on

BUILT_IN = ("real_bogus", "solar_system", "slope", "classifier")


@pytest.mark.parametrize(
    ("chosen", "columns"),
    [
        (("slope",), ["slope", "recent", "rise", "fade", "slopes"]),
        (("real_bogus",), ["real_bogus", "classifier", "faint"]),
        (("faint",), ["faint"]),
    ],
)
def test_modules_and_their_dependents_get_the_values_of_the_whole_pass(
    ztf: Computed, tmp_path: Path, chosen: tuple[str, ...], columns: list[str]
) -> None:
    switch_on(tmp_path, "faint", **FAINT_KEYS)
    settings = ScienceSettings(modules=BUILT_IN, folder=tmp_path)
    n_rows = len(ztf.packets)
    science = SciencePass("ztf", settings)
    whole = science.compute(Computed(ztf.packets, science).columns, n_rows).columns
    raw = raw_table(ztf.packets, "ztf")
    again = PartialPass("ztf", settings, chosen)
    rows = {
        name: whole[name] if name in whole else raw[name].combine_chunks() for name in again.columns
    }
    found = again.run(rows, n_rows)
    assert [field.name for field in again.fields] == columns
    for name in columns:
        assert found.field(name).equals(whole[name])


def test_a_module_that_reads_the_history_needs_the_raw_table(tmp_path: Path) -> None:
    switch_on(tmp_path, "detections", inputs=["history+candidate.magpsf"], returns="int")
    settings = ScienceSettings(modules=BUILT_IN, folder=tmp_path)
    with pytest.raises(SettingsError, match=r"module detections reads prv_candidates\.magpsf of"):
        PartialPass("ztf", settings, ["detections"])
