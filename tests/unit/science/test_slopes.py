"""slope, recent, rise, fade and slopes against numpy.polyfit, one alert at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.recorded_packets import Computed

Row = dict[str, Any]
HOUR = 1 / 24


def detections(row: Row, band: str) -> np.ndarray:
    """(mjd − mjd_alert, mag, σ) of the alert's sign in one band, by time."""
    chosen = [
        (point["mjd"] - row["mjd"], point["mag"], point["mag_err"])
        for point in row["lightcurve"]
        if point["kind"] == "detection"
        and point["band"] == band
        and point["is_positive"] == row["is_positive"]
    ]
    return np.array(chosen, dtype=np.float64).reshape(-1, 3)


def polyfit(points: np.ndarray) -> Row | None:
    if len(points) < 2 or points[-1, 0] - points[0, 0] <= HOUR:
        return None
    days, mag, sigma = points.T
    line, covariance = np.polyfit(days, mag, 1, w=1 / sigma, cov="unscaled")
    residuals = (mag - np.polyval(line, days)) / sigma
    dof = len(days) - 2
    return {
        "mag_per_day": line[0],
        "mag_per_day_err": np.sqrt(covariance[0, 0]),
        "chi2_dof": np.sum(residuals**2) / dof if dof else None,
        "n_points": len(days),
        "span_days": days[-1] - days[0],
    }


def windows(row: Row) -> dict[str, np.ndarray]:
    points = detections(row, row["band"])
    brightest = int(np.argmin(points[:, 1]))
    return {
        "slope": points[points[:, 0] >= -30],
        "recent": points[points[:, 0] >= -10],
        "rise": points[: brightest + 1],
        "fade": points[brightest:],
    }


def assert_same_line(found: Row | None, expected: Row | None) -> None:
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found["n_points"] == expected["n_points"]
    assert found["span_days"] == expected["span_days"]
    assert found["mag_per_day_err"] == pytest.approx(expected["mag_per_day_err"], rel=1e-9)
    # Two equal magnitudes have the slope 0, which polyfit only gives to rounding.
    noise = 1e-9 * expected["mag_per_day_err"]
    assert found["mag_per_day"] == pytest.approx(expected["mag_per_day"], rel=1e-9, abs=noise)
    if expected["chi2_dof"] is None:
        assert found["chi2_dof"] is None
    else:
        assert found["chi2_dof"] == pytest.approx(expected["chi2_dof"], rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(
    ("fixture", "at_least"), [("ztf", 300), ("elasticc", 50), ("elasticc_prototype", 10)]
)
def test_lines_equal_polyfit_on_every_real_packet(
    fixture: str, at_least: int, request: pytest.FixtureRequest
) -> None:
    computed: Computed = request.getfixturevalue(fixture)
    fitted: Counter[str] = Counter()
    for row in computed.rows:
        for name, points in windows(row).items():
            expected = polyfit(points)
            assert_same_line(row[name], expected)
            fitted[name] += expected is not None
    assert min(fitted.values()) >= at_least, fitted


@pytest.mark.parametrize("fixture", ["ztf", "elasticc"])
def test_slopes_of_all_bands_equal_polyfit(fixture: str, request: pytest.FixtureRequest) -> None:
    computed: Computed = request.getfixturevalue(fixture)
    fitted: Counter[str] = Counter()
    for row in computed.rows:
        for band in "ugrizy":
            points = detections(row, band)
            expected = polyfit(points[points[:, 0] >= -30])
            assert_same_line(row["slopes"][band], expected)
            fitted[band] += expected is not None
    assert min(fitted["g"], fitted["r"]) > 50, fitted
    assert computed.rows[0]["slopes"].keys() == set("ugrizy")


def test_slope_is_the_one_of_the_alert_s_own_band(ztf: Computed) -> None:
    assert all(row["slope"] == row["slopes"][row["band"]] for row in ztf.rows)
