"""A parametric light curve: exponential fall behind a logistic rise (Bazin et al. 2009).

    f(t) ∝ exp(−t/τ_fall) / (1 + exp(−t/τ_rise))

The two time scales and the time of maximum go over a grid; brightness and colour are solved for.
"""

from __future__ import annotations

import numpy as np

from broker.science.classifier.features.declaration import Feature, FeatureCurves
from broker.science.classifier.features.grid import (
    KNOTS_DAYS,
    SHIFTS_DAYS,
    ShapeGrid,
    posterior,
)
from broker.units import POGSON, Floats

RISE_DAYS = (1.5, 3.0, 6.0, 12.0)
FALL_DAYS = (7.0, 14.0, 25.0, 40.0, 70.0, 150.0)
MODEL_ERROR_MAG = 0.1
_TYPICAL_MAG = -1.5  # relative to the grid's reference
_GREY_MAG, _TINT_MAG = 1.5, 0.8
_FAINTEST_MAG = 6.0
_FLOOR = -60.0
"""Log evidence below the best that is as good as excluded; keeps outliers from mattering."""
_SOURCE = "Bazin et al. 2009 (A&A 499, 653), eq. 1, on a grid"


def declare() -> list[Feature]:
    """Features that `ParametricShapes.compute` gives, in order."""
    named = [
        ("shape_log_rise", "ln d", "mean ln τ_rise"),
        ("shape_log_fall", "ln d", "mean ln τ_fall"),
        ("shape_age_days", "d", "fitted maximum to last detection"),
        ("shape_rise_days", "d", "first detection to fitted maximum"),
        ("shape_mag", "", "fitted brightness, in units of its spread"),
        ("shape_tint", "", "fitted colour, in units of its spread"),
        ("shape_misfit", "", "−2 ln evidence of the best cell per degree of freedom"),
    ]
    falls = [
        (f"shape_fall_{fall:g}", "", f"ln evidence of τ_fall = {fall:g} d minus the best")
        for fall in FALL_DAYS
    ]
    return [Feature(n, unit, meaning, _SOURCE) for n, unit, meaning in [*named, *falls]]


class ParametricShapes:
    """The grid of time scales in the bands of one model."""

    def __init__(self, colour: Floats) -> None:
        """Lay out the grid; `colour` as in `ShapeGrid`."""
        pairs = [(r, f) for r in RISE_DAYS for f in FALL_DAYS if r < f]
        shapes = np.array([_bazin_mag(rise, fall) for rise, fall in pairs])
        self.log_rise, self.log_fall = np.log(np.array(pairs)).T.astype(np.float32)
        self.grid = ShapeGrid(
            curves=np.repeat(shapes[:, None], len(colour), axis=1) + _TYPICAL_MAG,
            grey_mag=np.full(len(pairs), _GREY_MAG),
            tint_mag=np.full(len(pairs), _TINT_MAG),
            colour=colour,
            model_error_mag=MODEL_ERROR_MAG,
            shifts_days=SHIFTS_DAYS,
        )

    def compute(self, curves: FeatureCurves) -> list[Floats]:
        """Columns of `declare`, each of shape (n_objects,)."""
        found = self.grid.evidence(curves, curves.peak_mjd)
        log = found.log + self.grid.log_shift_steps[:, None]
        n_objects = curves.points.n_objects
        flat, _ = posterior(log.reshape(n_objects, -1))
        cells = flat.reshape(log.shape)
        by_shape, by_shift = cells.sum(axis=1), cells.sum(axis=2)
        maximum = curves.peak_mjd + (by_shift * self.grid.shifts_days).sum(axis=1)
        best_of_shape = log.max(axis=1)
        best = best_of_shape.max(axis=1)
        columns = [
            (by_shape * self.log_rise).sum(axis=1),
            (by_shape * self.log_fall).sum(axis=1),
            curves.last_mjd - maximum,
            maximum - curves.first_mjd,
            (flat * found.grey.reshape(n_objects, -1)).sum(axis=1),
            (flat * found.tint.reshape(n_objects, -1)).sum(axis=1),
            -2 * best / np.maximum(curves.points.counts - 3, 1),
        ]
        for fall in np.log(np.array(FALL_DAYS)).astype(np.float32):
            of_fall = best_of_shape[:, self.log_fall == fall].max(axis=1)
            columns.append(np.maximum(of_fall - best, _FLOOR))
        return columns


def _bazin_mag(rise_days: float, fall_days: float) -> Floats:
    """Magnitudes below maximum at the grid's knots."""
    at_maximum = rise_days * np.log(fall_days / rise_days - 1)
    days = KNOTS_DAYS + at_maximum
    drop = POGSON * (
        _log_inverse_flux(days, rise_days, fall_days)
        - _log_inverse_flux(np.array(at_maximum), rise_days, fall_days)
    )
    return np.asarray(np.minimum(drop, _FAINTEST_MAG))


def _log_inverse_flux(days: Floats, rise_days: float, fall_days: float) -> Floats:
    return np.asarray(days / fall_days + np.logaddexp(0.0, -days / rise_days))
