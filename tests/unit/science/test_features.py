"""Light-curve features: right, declared, and the same whatever else is in the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from broker.science.classifier.features import brightness, colours, trends
from broker.science.classifier.features.declaration import FeatureCurves
from broker.science.classifier.features.detections import MAG_ERR_FLOOR, Detections
from broker.science.classifier.features.extract import Extractor
from broker.science.classifier.features.grid import (
    KNOTS_DAYS,
    REFERENCE_MAG,
    ShapeGrid,
    place_on_knots,
)
from broker.science.classifier.features.shapes import (
    FALL_DAYS,
    ParametricShapes,
    _bazin_mag,
)
from broker.science.classifier.features.templates import Templates
from broker.science.classifier.model import load_model
from broker.units import flux_err_from_mag, flux_from_mag

BANDS = ("g", "r")
Point = tuple[float, int, float, float]


def detections(*objects: list[Point], n_bands: int = 2) -> Detections:
    """Objects given as lists of (mjd, band, mag, error)."""
    rows = np.array([point for points in objects for point in points], dtype=float).reshape(-1, 4)
    flux = flux_from_mag(rows[:, 2])
    return Detections(
        rows[:, 0],
        rows[:, 1].astype(np.int64),
        flux,
        flux_err_from_mag(flux, rows[:, 3]),
        np.concatenate([[0], np.cumsum([len(points) for points in objects])]),
        n_bands,
    )


def random_object(random: np.random.Generator, n: int, n_bands: int = 2) -> list[Point]:
    mjd = np.sort(random.uniform(59000, 59060, n))
    return [
        (t, int(random.integers(n_bands)), random.uniform(17, 21), random.uniform(0.02, 0.3))
        for t in mjd
    ]


def column(
    part: object, points: Detections, name: str, bands: tuple[str, ...] = BANDS
) -> NDArray[np.float64]:
    names = [feature.name for feature in part.declare(bands)]  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        return np.asarray(
            part.compute(FeatureCurves(points, bands))[names.index(name)]  # type: ignore[attr-defined]
        )


@pytest.fixture(scope="module", params=["ztf", "elasticc"])
def extractor(request: pytest.FixtureRequest) -> Extractor:
    return load_model(request.param).extractor


def test_a_bands_slope_is_numpys() -> None:
    points = detections([(t, 1, m, e) for t, _, m, e in random_object(np.random.default_rng(1), 9)])
    sigma = np.hypot(points.mag_err, 0.0)
    slope, _ = np.polyfit(points.mjd - 59030, points.mag, 1, w=1 / sigma)
    assert column(trends, points, "slope_r")[0] == pytest.approx(slope, rel=1e-9)
    assert column(trends, points, "slope")[0] == pytest.approx(slope, rel=1e-9)
    assert np.isnan(column(trends, points, "slope_g")[0])


def test_the_shared_parabola_is_least_squares_with_an_offset_per_band() -> None:
    points = detections(random_object(np.random.default_rng(2), 14))
    t = points.mjd - points.mjd[-1]
    design = np.stack([t, t * t, points.band == 0, points.band == 1], axis=1)
    weighted = design / points.mag_err[:, None]
    solution = np.linalg.lstsq(weighted, points.mag / points.mag_err, rcond=None)[0]
    residual = weighted @ solution - points.mag / points.mag_err
    assert column(trends, points, "end_slope")[0] == pytest.approx(solution[0], rel=1e-6)
    assert column(trends, points, "curvature")[0] == pytest.approx(solution[1], rel=1e-6)
    chi2 = (residual**2).sum() / (len(t) - 4)
    assert column(trends, points, "chi2_parabola")[0] == pytest.approx(chi2, rel=1e-6)


def test_errors_have_a_floor() -> None:
    points = detections([(59000.0, 0, 18.0, 0.0)])
    assert points.mag_err[0] == pytest.approx(MAG_ERR_FLOOR)


def test_brightness_counts_from_the_first_and_the_brightest_detection() -> None:
    points = detections(
        [
            *[(59000.2, 0, 19.0, 0.1), (59000.3, 1, 18.8, 0.1)],
            *[(59007.2, 0, 18.0, 0.1), (59030.2, 1, 19.5, 0.1)],
        ]
    )
    expected = {
        **{"n_points": 4, "n_nights": 3, "span_days": 30.0, "longest_gap_days": 23.0},
        **{"rise_days": 7.0, "fade_days": 23.0, "peak_mag": 18.0, "share_g": 0.5},
        **{"climb_mag_g": 1.0, "drop_mag_g": 0.0, "climb_mag_r": 0.0, "drop_mag_r": 0.7},
        **{"peak_day_r": 0.1, "since_peak_day_r": 29.9},
    }
    found = {name: column(brightness, points, name)[0] for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_colours_need_both_bands_near_in_time() -> None:
    points = detections(
        [
            *[(59000.0, 0, 18.0, 0.1), (59001.0, 1, 18.4, 0.1), (59010.0, 0, 19.0, 0.1)],
            *[(59010.5, 1, 18.7, 0.1), (59020.0, 0, 20.0, 0.1), (59023.0, 1, 18.0, 0.1)],
        ],
        [(59000.0, 0, 18.0, 0.1), (59001.0, 0, 18.4, 0.1)],
    )
    assert column(colours, points, "colour_first_gr")[0] == pytest.approx(-0.4)
    assert column(colours, points, "colour_last_gr")[0] == pytest.approx(0.3)
    assert column(colours, points, "colour_mean_gr")[0] == pytest.approx(-0.05)
    assert column(colours, points, "colour_change_gr")[0] == pytest.approx(0.7 / 9.75)
    assert np.isnan(column(colours, points, "colour_mean_gr")[1])


def test_the_evidence_of_a_shape_is_that_of_a_gaussian_process() -> None:
    random = np.random.default_rng(3)
    points = detections(random_object(random, 8), random_object(random, 5))
    grid = ShapeGrid(
        curves=random.uniform(-2, 0, (3, 2, len(KNOTS_DAYS))),
        grey_mag=np.array([0.3, 0.6, 0.9]),
        tint_mag=np.array([0.1, 0.2, 0.3]),
        colour=np.array([0.5, -0.5]),
        model_error_mag=0.1,
        shifts_days=np.array([-2.0, 0.0, 1.5]),
    )
    curves = FeatureCurves(points, BANDS)
    found = grid.evidence(curves, curves.peak_mjd).log
    for k in range(2):
        own = points.span(k, k + 1)
        sigma2 = own.mag_err**2 - MAG_ERR_FLOOR**2 + 0.1**2
        constant = -0.5 * np.log(2 * np.pi * sigma2).sum()
        for j in range(3):
            for s, shift in enumerate(grid.shifts_days):
                # The grid looks a shape up at the nearest half day.
                day = np.round((own.mjd - curves.peak_mjd[k]) * 2) / 2 - shift
                low, part = place_on_knots(day)
                shape = grid.curves[j, own.band]
                rows = np.arange(len(day))
                mean = (1 - part) * shape[rows, low] + part * shape[rows, low + 1]
                tint = grid.tint_mag[j] * grid.colour[own.band]
                covariance = np.diag(sigma2) + grid.grey_mag[j] ** 2 + np.outer(tint, tint)
                residual = own.mag - REFERENCE_MAG - mean
                expected = -0.5 * (
                    residual @ np.linalg.solve(covariance, residual)
                    + np.linalg.slogdet(2 * np.pi * covariance)[1]
                )
                assert found[k, s, j] + constant == pytest.approx(expected, rel=1e-3, abs=0.02)


@pytest.mark.parametrize(("rise", "fall"), [(3.0, 25.0), (6.0, 70.0)])
def test_the_parametric_grid_finds_the_time_scales_of_its_own_shapes(
    rise: float, fall: float
) -> None:
    t = np.arange(-15.0, 45.0, 1.5)
    mag = 18.0 + np.interp(t, KNOTS_DAYS, _bazin_mag(rise, fall))
    points = detections([(59000 + t[k], k % 2, mag[k], 0.03) for k in range(len(t))])
    values = ParametricShapes(np.array([0.5, -0.5])).compute(FeatureCurves(points, BANDS))
    assert values[0][0] == pytest.approx(np.log(rise), abs=0.2)
    assert values[1][0] == pytest.approx(np.log(fall), abs=0.2)
    by_fall = [float(v[0]) for v in values[7:]]
    assert FALL_DAYS[int(np.argmax(by_fall))] == fall


def test_every_feature_has_a_name_of_its_own_and_a_source(extractor: Extractor) -> None:
    names = [feature.name for feature in extractor.features]
    assert len(set(names)) == len(names)
    assert all(feature.meaning and feature.source for feature in extractor.features)
    units = {feature.unit for feature in extractor.features}
    assert units == {"", "d", "mag", "mag/d", "mag/d²", "ln d"}


def test_features_depend_on_nothing_but_the_object(extractor: Extractor) -> None:
    random = np.random.default_rng(4)
    n_bands = len(extractor.bands)
    points = detections(
        *(random_object(random, int(random.integers(1, 60)), n_bands) for _ in range(300)),
        n_bands=n_bands,
    )
    together = extractor.matrix(points)
    alone = np.concatenate([extractor.matrix(points.span(k, k + 1)) for k in range(300)])
    order = random.permutation(300)
    shuffled = np.empty_like(together)
    shuffled[order] = extractor.matrix(points.take(order))
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, shuffled)


def test_one_band_and_one_point_give_features_without_infinities(extractor: Extractor) -> None:
    n_bands = len(extractor.bands)
    points = detections(
        [(59000.0, 0, 18.0, 0.1)],
        [(59000.0 + k, 1, 18.0, 0.1) for k in range(4)],
        [(59000.0, 1, 18.0, 0.1), (59000.0, 1, 18.0, 0.1), (59000.0, 1, 18.0, 0.1)],
        n_bands=n_bands,
    )
    assert not np.isinf(extractor.matrix(points)).any()


def test_templates_survive_a_file(tmp_path: Path, extractor: Extractor) -> None:

    path = tmp_path / "templates.json"
    extractor.templates.save(path)
    again = Templates.load(path)
    np.testing.assert_array_equal(again.grid.curves, extractor.templates.grid.curves)
    np.testing.assert_array_equal(again.class_of, extractor.templates.class_of)
    assert again.grid.model_error_mag == extractor.templates.grid.model_error_mag
