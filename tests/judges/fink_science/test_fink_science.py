"""The modules of docs/fink-modules.md in fink's own Python, on made-up and recorded alerts."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from broker.surveys.arrow_columns import follow
from tests.crafted import ztf_record
from tests.judges.environment import judge_python, run_judge
from tests.judges.fink_science.alerts import BLAZAR, made_up_alerts
from tests.recorded_packets import Computed, Packet, raw_table, ztf_packets

HERE = Path(__file__).parent
Call = Callable[..., list[dict[str, Any]]]
"""Function's name, alerts → one row per alert."""


@pytest.fixture(scope="session")
def modules(project_root: Path) -> dict[str, dict[str, Any]]:
    """Function's name → what its file in the docs says."""
    text = (project_root / "docs" / "fink-modules.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    files = [tomllib.loads(block) for block in blocks]
    return {file["function"].partition(":")[2]: file for file in files}


@pytest.fixture(scope="session")
def fink_science() -> Path:
    return judge_python(HERE / "requirements.txt")


@pytest.fixture
def call(fink_science: Path, modules: dict[str, dict[str, Any]], tmp_path: Path) -> Call:
    """Call a function of fink-science on alerts."""

    def run(name: str, alerts: Sequence[Packet]) -> list[dict[str, Any]]:
        module = modules[name]
        arguments, result = tmp_path / "arguments.parquet", tmp_path / "result.parquet"
        pq.write_table(arguments_of(alerts, module["inputs"]), arguments)
        run_judge(fink_science, [HERE / "call.py", module["function"], arguments, result])
        rows: list[dict[str, Any]] = pq.read_table(result).to_pylist()
        assert len(rows) == len(alerts)
        return rows

    return run


@pytest.fixture(scope="session")
def alerts(project_root: Path) -> list[Packet]:
    """Made-up alerts, and every recorded one where they are."""
    recorded = project_root.parent / "shared" / "data"
    return made_up_alerts(1000) + (ztf_packets(recorded) if recorded.is_dir() else [])


def arguments_of(alerts: Sequence[Packet], inputs: Sequence[str]) -> pa.Table:
    """A column per argument, typed as in the packets."""
    table = raw_table(alerts, "ztf")
    columns = [argument(table, path) for path in inputs]
    return pa.table(columns, names=[str(k) for k in range(len(columns))])


def argument(table: pa.Table, path: str) -> pa.Array:
    if path.startswith("="):
        return pa.array([int(path[1:])] * table.num_rows, pa.int64())
    record, _, field = path.removeprefix("history+").partition(".")
    this = follow(table[record].combine_chunks(), [field] if field else [])
    if not path.startswith("history+"):
        return this
    history = follow(table["prv_candidates"].combine_chunks(), [field])
    pairs = zip(history.to_pylist(), this.to_pylist(), strict=True)
    return pa.array([[*before, value] for before, value in pairs], pa.list_(this.type))


def points_of(alert: Packet) -> list[dict[str, Any]]:
    """History in the packet's order, then the alert; old packets lack fields without a value."""
    points = [*(alert["prv_candidates"] or ()), alert["candidate"]]
    return [{"magpsf": None, **point} for point in points]


def our_codes(alerts: Sequence[Packet]) -> list[int]:
    rows = Computed(
        list(alerts), SciencePass("ztf", ScienceSettings(modules=("solar_system",)))
    ).rows
    return [row["solar_system"]["code"] for row in rows]


def test_packages_that_we_have_too_are_those_of_our_lock(project_root: Path) -> None:
    locked = tomllib.loads((project_root / "uv.lock").read_text(encoding="utf-8"))["package"]
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    ours = {(package["name"], package["version"]) for package in locked}
    shared = {name for name, _ in ours} & pins.keys()
    assert shared == {"astropy", "numpy", "pandas", "pyarrow", "pyspark"}
    assert {(name, pins[name]) for name in shared} <= ours


def test_roid_catcher_gives_our_code_on_every_alert(call: Call, alerts: list[Packet]) -> None:
    codes = [row["value"] for row in call("roid_catcher", alerts)]
    triples = zip(alerts, codes, our_codes(alerts), strict=True)
    assert [(alert["candid"], *both) for alert, *both in triples if both[0] != both[1]] == []
    assert set(codes) == {0, 1, 2, 3}, Counter(codes)


@pytest.mark.parametrize("score", [None, 0.76])
def test_the_alerts_on_which_roid_catcher_differs_are_those_of_the_docs(
    call: Call, score: float | None
) -> None:
    far = {"ndethist": 1, "distpsnr1": 8.0, "ssdistnr": -999.0, "sgscore1": score}
    alerts = [ztf_record(1, **far) | {"prv_candidates": None}]
    assert call("roid_catcher", alerts) == [{"value": 1}]
    assert our_codes(alerts) == [2]


def test_nalerthist_counts_the_points_with_a_magnitude(call: Call, alerts: list[Packet]) -> None:
    counts = [row["value"] for row in call("nalerthist", alerts)]
    assert counts == [
        sum(point["magpsf"] is not None for point in points_of(alert)) for alert in alerts
    ]


def test_magnitude_rate_is_since_the_last_point_in_the_same_band(
    call: Call, alerts: list[Packet]
) -> None:
    partners = [partner_of(alert) for alert in alerts]
    found = call("magnitude_rate", alerts)
    for alert, partner, row in zip(alerts, partners, found, strict=True):
        first = next(point["jd"] for point in points_of(alert) if point["magpsf"] is not None)
        assert row["jd_first_real_det"] == first
        assert row["from_upper"] == (partner is not None and partner["magpsf"] is None)
        if partner is None:
            assert row["delta_time"] is None or np.isnan(row["delta_time"])
        else:
            assert row["delta_time"] == alert["candidate"]["jd"] - partner["jd"]
            assert row["lower_rate"] <= row["mag_rate"] <= row["upper_rate"] or row["from_upper"]
    assert Counter(None if p is None else p["magpsf"] is None for p in partners).keys() == {
        *(None, True, False)
    }


def partner_of(alert: Packet) -> dict[str, Any] | None:
    """Last point before the alert in its band, unless one in i comes first."""
    history = reversed(points_of(alert)[:-1])
    g_or_r = takewhile(lambda point: point["fid"] <= 2, history)
    return next((point for point in g_or_r if point["fid"] == alert["candidate"]["fid"]), None)


def test_magnitude_rate_of_an_alert_depends_on_its_batch(call: Call) -> None:
    batch = made_up_alerts(60)
    whole, half = call("magnitude_rate", batch), call("magnitude_rate", batch[30:])
    rates = [np.array([row["mag_rate"] for row in rows], float) for rows in (whole[30:], half)]
    has_rate = np.isfinite(rates[0])
    assert (rates[0] != rates[1])[has_rate].all()
    assert whole == call("magnitude_rate", batch)


def test_standardized_flux_of_a_blazar_is_its_apparent_flux_over_a_constant_of_the_band(
    call: Call,
) -> None:
    alerts = made_up_alerts(1000)
    for alert, row in zip(alerts, call("standardized_flux", alerts), strict=True):
        points = points_of(alert)
        if alert["objectId"] != BLAZAR:
            assert row == {"flux": [], "sigma": []}
            continue
        fluxes = np.array([apparent_flux(point) for point in points])
        medians = fluxes / np.array(row["flux"], float)
        assert (np.isnan(medians) == np.isnan(fluxes)).all()
        for band in (1, 2):
            of_band = medians[[point["fid"] == band for point in points] & np.isfinite(fluxes)]
            np.testing.assert_allclose(of_band, of_band[:1].repeat(len(of_band)), rtol=1e-4)


def apparent_flux(point: dict[str, Any]) -> float:
    """Flux of the reference source and the difference, in any unit; NaN for an upper limit."""
    if point["magpsf"] is None:
        return float("nan")
    sign = 1 if point["isdiffpos"] in ("t", "1") else -1
    return float(10 ** (-0.4 * point["magnr"]) + sign * 10 ** (-0.4 * point["magpsf"]))
