"""WINTER and PGIR: what their declarations make of packets, crafted and recorded."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from broker.packets.files import iterate_packets
from broker.science.engine.science_pass import SciencePass
from broker.settings import load_settings
from broker.units import flux_from_mag
from tests.crafted import JD, pgir_record, winter_record
from tests.recorded_packets import Computed, Packet

MJD = JD - 2400000.5
# Blanton & Roweis 2007.
J_TO_AB = 0.91
RECORDED = {"winter": ("winter_kowalski", "winter_boom"), "pgir": ("pgir_kowalski",)}
CRAFTED: dict[str, Callable[..., Any]] = {"winter": winter_record, "pgir": pgir_record}


@cache
def science(survey: str) -> SciencePass:
    return SciencePass(survey, load_settings(survey, environ={}).science)


def rows(survey: str, packets: list[Packet]) -> list[dict[str, Any]]:
    images = ("cutout_", "cutoutS", "cutoutT", "cutoutD")
    bare = [{k: v for k, v in packet.items() if not k.startswith(images)} for packet in packets]
    return Computed(bare, science(survey)).rows


def recorded(shared_data: Path, survey: str) -> list[Packet]:
    folders = [shared_data / "other" / name for name in RECORDED[survey]]
    values = [packet.value for folder in folders for packet in iterate_packets(folder)]
    return [next(iter(fastavro.reader(io.BytesIO(value)))) for value in values]


def test_winter_s_filter_numbers_are_y_j_h_and_k() -> None:
    found = rows("winter", [winter_record(n + 1, fid=n) for n in range(6)])
    assert [row["band"] for row in found] == ["y", "J", "H", "K", None, None]
    assert [row["lightcurve"][-1]["band"] for row in found] == ["y", "J", "H", "K", None, None]


def test_winter_s_sign_is_a_boolean_and_its_magnitudes_are_ab() -> None:
    up, down = rows("winter", [winter_record(1, isdiffpos=True), winter_record(2, isdiffpos=False)])
    assert (up["is_positive"], down["is_positive"]) == (True, False)
    size = float(flux_from_mag(np.float64(16.5)))
    assert (up["flux_njy"], down["flux_njy"]) == pytest.approx((size, -size))
    assert up["mag"] == 16.5


def test_winter_s_history_is_detections_without_limits_or_scores() -> None:
    (row,) = rows("winter", [winter_record(7)])
    points = row["lightcurve"]
    assert [point["mjd"] for point in points] == pytest.approx([MJD - 2, MJD - 1, MJD])
    assert [point["alert_id"] for point in points] == [10**9 + 72, 10**9 + 71, 7]
    assert {point["kind"] for point in points} == {"detection"}
    assert [point["mag_limit"] for point in points] == [None, None, 18.5]
    assert row["last_limit"] is None
    assert row["n_detections"] == 3
    assert row["age_days"] == pytest.approx(2.0)
    assert row["slope"]["n_points"] == 3


def test_pgir_is_all_j_and_vega_magnitudes_become_ab() -> None:
    (row,) = rows("pgir", [pgir_record(7)])
    assert row["band"] == "J"
    assert row["mag"] == pytest.approx(12.5 + J_TO_AB)
    assert row["flux_njy"] == pytest.approx(float(flux_from_mag(np.float64(12.5 + J_TO_AB))))
    seen, limit, this = row["lightcurve"]
    assert {point["band"] for point in (seen, limit, this)} == {"J"}
    assert (seen["kind"], limit["kind"]) == ("detection", "upper_limit")
    assert seen["mag"] == pytest.approx(12.75 + J_TO_AB)
    assert limit["mag_limit"] == pytest.approx(13.25 + J_TO_AB)
    assert limit["flux_err_njy"] == pytest.approx(
        float(flux_from_mag(np.float64(13.25 + J_TO_AB))) / 5
    )
    assert seen["real_bogus"] == 0.5


def test_pgir_s_score_is_drb_and_its_times_are_starts_in_utc() -> None:
    real, bogus = rows("pgir", [pgir_record(1), pgir_record(5)])
    assert real["real_bogus"] == {"score": 0.75, "source": "drb", "threshold": 0.5, "is_real": True}
    assert not bogus["real_bogus"]["is_real"]
    # 37 s from UTC to TAI since 2017.
    assert (real["mjd_tai_mid"] - MJD) * 86400 == pytest.approx(71.25 / 2 + 37, abs=1e-3)


def test_without_fink_s_inputs_only_the_distance_makes_a_solar_system_object() -> None:
    near, far, none = rows(
        "pgir",
        [
            pgir_record(1, ssdistnr=0.0, ssmagnr=12.25, ssnamenr="Ceres", ndethist=1),
            pgir_record(2, ssdistnr=58.0, ssmagnr=21.0, ssnamenr="2008 HQ75"),
            pgir_record(3),
        ],
    )
    assert near["solar_system"] == {
        **{"code": 3, "is_known": True, "is_candidate": False},
        **{"name": "Ceres", "distance_arcsec": 0.0, "predicted_mag": 12.25},
    }
    assert (far["solar_system"]["code"], far["solar_system"]["is_known"]) == (0, False)
    assert none["solar_system"]["name"] is None


@pytest.mark.parametrize("survey", RECORDED)
def test_a_survey_without_a_model_has_the_classifier_off(survey: str) -> None:
    one = science(survey)
    assert [module.name for module in one.modules] == ["real_bogus", "solar_system", "slope"]
    assert [module.name for module in one.off] == ["classifier"]
    (row,) = rows(survey, [CRAFTED[survey](1)])
    assert row["classifier"] is None
    assert row["errors"] == []


@pytest.mark.parametrize("survey", RECORDED)
def test_every_recorded_packet_gives_a_row_that_agrees_with_it(
    shared_data: Path, survey: str
) -> None:
    packets = recorded(shared_data, survey)
    offset = J_TO_AB if survey == "pgir" else 0.0
    for packet, row in zip(packets, rows(survey, packets), strict=True):
        candidate, history = packet["candidate"], packet["prv_candidates"] or []
        assert row["mag"] == pytest.approx(candidate["magpsf"] + offset)
        assert row["is_positive"] is True
        assert row["n_detections"] == candidate["ndethist"]
        own = [p for p in row["lightcurve"] if p["alert_id"] == packet["candid"]]
        assert [p["mjd"] for p in own] == [candidate["jd"] - 2400000.5]
        epochs = {entry["jd"] for entry in history} | {candidate["jd"]}
        found = {p["mjd"] + 2400000.5 for p in row["lightcurve"]}
        assert sorted(found) == pytest.approx(sorted(epochs), abs=1e-6)
        assert row["errors"] == []
