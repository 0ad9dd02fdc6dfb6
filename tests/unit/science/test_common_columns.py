"""Time scales, sky positions and colours against independent readings."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord
from astropy.time import Time

from broker.science.lightcurves.sky import latitudes
from tests.recorded_packets import Computed


def test_latitudes_equal_astropy_over_the_whole_sky() -> None:
    rng = np.random.default_rng(4)
    ra = np.concatenate([rng.uniform(0, 360, 5000), [192.85948, 12.85948, 270.0, 90.0, 0.0, 0.0]])
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))
    dec = np.concatenate([dec, [27.12825, -27.12825, 66.5607, -66.5607, 90.0, -90.0]])
    places = SkyCoord(ra * u.deg, dec * u.deg)
    galactic, ecliptic = latitudes(ra, dec)
    assert np.abs(galactic - places.galactic.b.deg).max() < 1e-9
    expected = places.transform_to(BarycentricMeanEcliptic()).lat.deg
    assert np.abs(ecliptic - expected).max() < 1e-9


def test_mjd_is_the_survey_s_own(ztf: Computed, elasticc: Computed) -> None:
    for packet, row in zip(ztf.packets, ztf.rows, strict=True):
        assert row["mjd"] == packet["candidate"]["jd"] - 2400000.5
    for packet, row in zip(elasticc.packets, elasticc.rows, strict=True):
        assert row["mjd"] == packet["diaSource"]["midPointTai"]


def test_mjd_tai_mid_is_astropy_s_tai_of_the_midpoint(ztf: Computed) -> None:
    jd = np.array([packet["candidate"]["jd"] for packet in ztf.packets])
    exposure = [packet["candidate"].get("exptime") or 30.0 for packet in ztf.packets]
    start = Time(jd - 2400000.5, format="mjd", scale="utc")
    expected = (start + np.array(exposure) / 2 * u.s).tai.mjd
    found = np.array([row["mjd_tai_mid"] for row in ztf.rows])
    assert np.abs(found - expected).max() * 86400 < 1e-5
    assert len(set(exposure)) > 1


def test_elasticc_times_are_midpoints_in_tai_already(elasticc: Computed) -> None:
    assert all(row["mjd_tai_mid"] == row["mjd"] for row in elasticc.rows)


@pytest.mark.parametrize("fixture", ["ztf", "elasticc"])
def test_colour_is_of_the_nearest_detection_in_the_other_band(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    computed: Computed = request.getfixturevalue(fixture)
    coloured = 0
    for row in computed.rows:
        other = {"g": "r", "r": "g"}.get(row["band"])
        partners = [
            point
            for point in row["lightcurve"]
            if point["kind"] == "detection"
            and point["band"] == other
            and point["is_positive"] == row["is_positive"]
            and abs(point["mjd"] - row["mjd"]) <= 1
        ]
        if not partners:
            assert row["colour"] is None
            continue
        coloured += 1
        nearest = min(partners, key=lambda point: abs(point["mjd"] - row["mjd"]))
        mags = {row["band"]: row["mag"], other: nearest["mag"]}
        assert row["colour"] == {
            "g_minus_r": mags["g"] - mags["r"],
            "g_minus_r_err": pytest.approx(np.hypot(row["mag_err"], nearest["mag_err"])),
            "days_apart": abs(nearest["mjd"] - row["mjd"]),
        }
    assert coloured > 10
