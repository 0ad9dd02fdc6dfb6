"""Straight lines and parabolas in magnitude: rise and fade rates, curvature, scatter.

A slope shared by all bands uses every point of a sparse light curve: within each band magnitudes
and times are taken relative to their weighted means (weights 1/σ²), then the sums of the bands
are added. One band's own line is the same with that band's sums alone.
"""

from __future__ import annotations

import numpy as np

from broker.science.classifier.features.declaration import Feature, FeatureCurves
from broker.surveys.arrow_columns import Bools
from broker.units import Floats

RECENT_DAYS = 10.0
_REFERENCE_MAG = 20.0
"""Taken off before squares are summed, to keep their digits."""
_MIN_SPREAD = 1e-6
"""Below this Σ w (t − t̄)² is rounding (two points of one exposure), not a time base."""
_LEAST_SQUARES = "weighted least squares, one offset per band"
_SLOPE, _CURVE = "mag/d", "mag/d²"


def declare(bands: tuple[str, ...]) -> list[Feature]:
    """Features that `compute` gives, in order."""
    whole = [
        ("slope", _SLOPE, "line through all points; negative: brightening"),
        ("slope_err", _SLOPE, "its error"),
        ("chi2_line", "", "χ² per degree of freedom of that line"),
        ("curvature", _CURVE, "parabola through all points; positive: a maximum"),
        ("end_slope", _SLOPE, "slope of the parabola at the last point"),
        ("chi2_parabola", "", "χ² per degree of freedom of the parabola"),
        ("chi2_constant", "", "scatter over errors: χ² per dof of a constant per band"),
        ("recent_slope", _SLOPE, "line through the last 10 days"),
        ("recent_slope_err", _SLOPE, "its error"),
        ("rise_slope", _SLOPE, "line up to the brightest point"),
        ("rise_slope_err", _SLOPE, "its error"),
        ("rise_chi2", "", "χ² per degree of freedom of that line"),
        ("rise_curvature", _CURVE, "parabola up to the brightest point"),
        ("fade_slope", _SLOPE, "line from the brightest point on"),
        ("fade_slope_err", _SLOPE, "its error"),
        ("fade_chi2", "", "χ² per degree of freedom of that line"),
        ("fade_curvature", _CURVE, "parabola from the brightest point on"),
        ("fade_start_slope", _SLOPE, "slope of that parabola at the brightest point"),
        ("fade_chi2_parabola", "", "χ² per degree of freedom of that parabola"),
    ]
    each = [
        ("slope", _SLOPE, "line through all points"),
        ("fade_slope", _SLOPE, "line from the brightest point on"),
        ("rise_slope", _SLOPE, "line up to the brightest point"),
        ("recent_slope", _SLOPE, "line through the last 10 days"),
        ("curvature", _CURVE, "parabola through all points"),
        ("chi2_line", "", "χ² per degree of freedom of the line"),
    ]
    per_band = [(f"{n}_{b}", unit, f"{b}: {meaning}") for b in bands for n, unit, meaning in each]
    return [Feature(n, unit, meaning, _LEAST_SQUARES) for n, unit, meaning in [*whole, *per_band]]


def compute(curves: FeatureCurves) -> list[Floats]:
    """Columns of `declare`, each of shape (n_objects,)."""
    owner, mjd = curves.points.owner, curves.points.mjd
    from_last, from_peak = mjd - curves.last_mjd[owner], mjd - curves.peak_mjd[owner]
    everything = _moments(curves, from_last, np.ones(len(mjd), dtype=bool))
    recent = _moments(curves, from_last, from_last >= -RECENT_DAYS)
    rise = _moments(curves, from_peak, from_peak <= 0)
    fade = _moments(curves, from_peak, from_peak >= 0)
    shared = [_shared(moments) for moments in (everything, recent, rise, fade)]
    whole = [
        *line(shared[0]),
        *parabola(shared[0]),
        constant_chi2(shared[0]),
        *line(shared[1])[:2],
        *line(shared[2]),
        parabola(shared[2])[0],
        *line(shared[3]),
        *parabola(shared[3]),
    ]
    per_band = [
        line(everything)[0],
        line(fade)[0],
        line(rise)[0],
        line(recent)[0],
        parabola(everything)[0],
        line(everything)[2],
    ]
    n_bands = curves.points.n_bands
    return [*whole, *(values[:, band] for band in range(n_bands) for values in per_band)]


def _moments(curves: FeatureCurves, time: Floats, kept: Bools) -> Floats:
    """Central sums of each band over the kept points, shape (n_objects, n_bands, 8).

    In order: tt, tq, qq, tm, qm, mm (t time, q = t², m magnitude), points, bands with points.
    """
    points = curves.points
    weight = kept / points.mag_err**2
    square, mag = time * time, points.mag - _REFERENCE_MAG
    w_time, w_square, w_mag = weight * time, weight * square, weight * mag
    terms = [weight, w_time, w_square, w_mag, w_time * square, w_square * square]
    terms += [w_time * mag, w_square * mag, w_mag * mag, kept.astype(float)]
    sums = curves.groups.sum(np.stack(terms, axis=1))
    norm, t, q, m, tq, qq, tm, qm, mm, count = sums.T
    inverse = np.where(norm > 0, 1.0 / norm, 0.0)
    central = [
        q - t * t * inverse,
        tq - t * q * inverse,
        qq - q * q * inverse,
        tm - t * m * inverse,
        qm - q * m * inverse,
        mm - m * m * inverse,
        count,
        (count > 0).astype(float),
    ]
    return np.stack(central, axis=1).reshape(-1, points.n_bands, len(central))


def _shared(moments: Floats) -> Floats:
    """Sums of all bands together, added band by band, shape (n_objects, 8)."""
    total = moments[:, 0]
    for band in range(1, moments.shape[1]):
        total = total + moments[:, band]
    return total


def line(moments: Floats) -> tuple[Floats, Floats, Floats]:
    """Slope (mag/d), its error, and χ² per degree of freedom; NaN where undefined."""
    tt, _, _, tm, _, mm, n, n_bands = np.moveaxis(moments, -1, 0)
    good = (n > n_bands) & (tt > _MIN_SPREAD)
    slope = np.where(good, tm / tt, np.nan)
    dof = n - n_bands - 1
    chi2 = np.where(good & (dof > 0), (mm - tm * slope) / dof, np.nan)
    return slope, np.where(good, 1.0 / np.sqrt(tt), np.nan), chi2


def parabola(moments: Floats) -> tuple[Floats, Floats, Floats]:
    """Curvature (mag/d²), slope at time 0 (mag/d), and χ² per degree of freedom."""
    tt, tq, qq, tm, qm, mm, n, n_bands = np.moveaxis(moments, -1, 0)
    determinant = tt * qq - tq * tq
    good = (n - n_bands >= 2) & (tt > _MIN_SPREAD) & (determinant > 1e-9 * tt * qq)
    curvature = np.where(good, (tt * qm - tq * tm) / determinant, np.nan)
    slope = np.where(good, (qq * tm - tq * qm) / determinant, np.nan)
    dof = n - n_bands - 2
    chi2 = np.where(good & (dof > 0), (mm - curvature * qm - slope * tm) / dof, np.nan)
    return curvature, slope, chi2


def constant_chi2(moments: Floats) -> Floats:
    """χ² per degree of freedom about one constant magnitude per band."""
    mm, n, n_bands = np.moveaxis(moments, -1, 0)[5:]
    dof = n - n_bands
    return np.where(dof > 0, mm / np.maximum(dof, 1.0), np.nan)
