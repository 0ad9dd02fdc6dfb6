"""Light-curve shapes against many light curves, on a grid of shapes and times of maximum.

A shape is a magnitude in every band as a function of the time from its maximum. For a light curve
with magnitudes m and errors σ (a model error added), the model is

    m_i = shape(t_i − t_max, band_i) + grey · a + tint · colour(band_i) · b + noise

with a, b ~ N(0, 1): brightness and colour are free within the shape's own spread, and are
integrated out in closed form (two-parameter linear least squares with a prior; Bishop 2006,
Pattern Recognition and Machine Learning, §3.5). What is left is the evidence of each shape at
each time of maximum.

The sums over a light curve's points are products of a sparse matrix (a row per light curve, an
entry per point) with the tables of all shapes at all shifts. Such a product runs row by row, each
entry in turn: as fast as one dense product, and independent of what else is in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from broker.science.classifier.features.declaration import FeatureCurves
from broker.units import Floats, mag_err_from_flux

Singles = NDArray[np.float32]

KNOTS_DAYS = np.concatenate(
    [
        [-40.0, -30.0, -24.0, -20.0, -17.0, -14.0, -11.0, -8.0, -5.0, -2.0, 1.0, 4.0, 8.0, 12.0],
        [16.0, 20.0, 25.0, 30.0, 35.0, 42.0, 50.0, 60.0, 75.0, 95.0, 120.0, 160.0],
    ]
)
"""Days from maximum at which a shape is given; straight lines between, constant outside."""
SHIFTS_DAYS = np.concatenate(
    [
        [-90.0, -72.0, -58.0, -48.0, -40.0, -33.0, -27.0, -22.0, -18.0, -15.0],
        np.arange(-12.0, 13.0),
        [15.0, 19.0, 24.0, 30.0],
    ]
)
"""Times of maximum that are tried, days from the brightest detection."""
REFERENCE_MAG = 20.0
"""Shapes and magnitudes are relative to it, to keep their digits in single precision."""
_STEP_DAYS = 0.5
_FIRST_DAY, _LAST_DAY = -50.0, 190.0


@dataclass(frozen=True)
class Evidence:
    """What each shape says of each light curve; arrays of shape (n_objects, n_shifts, n_shapes).

    Attributes
    ----------
    log
        Natural logarithm of the evidence, without what is the same for all shapes.
    grey, tint
        Most probable a and b.
    grey_variance, tint_variance
        Their variances, shape (n_objects, n_shapes).
    """

    log: Singles
    grey: Singles
    tint: Singles
    grey_variance: Singles
    tint_variance: Singles


@dataclass(frozen=True)
class ShapeGrid:
    """Shapes on a grid of times of maximum.

    Attributes
    ----------
    curves
        Magnitude minus `REFERENCE_MAG` at `KNOTS_DAYS`, shape (n_shapes, n_bands, n_knots).
    grey_mag, tint_mag
        Spread of brightness and of colour, mag, shape (n_shapes,).
    colour
        What b does to each band, shape (n_bands,).
    model_error_mag
        Added to the errors: light curves differ from any shape.
    shifts_days
        Times of maximum relative to the reference time.
    """

    curves: Floats
    grey_mag: Floats
    tint_mag: Floats
    colour: Floats
    model_error_mag: float
    shifts_days: Floats

    @property
    def n_shapes(self) -> int:
        """Number of shapes."""
        return len(self.curves)

    @cached_property
    def _table(self) -> Singles:
        """Magnitude by (day, band) in rows, (shift, shape) in columns."""
        days = np.arange(_FIRST_DAY, _LAST_DAY + _STEP_DAYS, _STEP_DAYS)
        low, part = place_on_knots(days[:, None] - self.shifts_days)
        values = (1 - part) * self.curves[:, :, low] + part * self.curves[:, :, low + 1]
        by_day = values.transpose(2, 1, 3, 0)  # day, band, shift, shape
        rows = by_day.shape[0] * by_day.shape[1]
        return np.ascontiguousarray(by_day.reshape(rows, -1), dtype=np.float32)

    @cached_property
    def _squares(self) -> Singles:
        return np.asarray(self._table**2)

    @cached_property
    def log_shift_steps(self) -> Singles:
        """Logarithm of the days that each shift stands for, shape (n_shifts,)."""
        return np.asarray(np.log(np.gradient(self.shifts_days)), dtype=np.float32)

    def evidence(self, curves: FeatureCurves, reference_mjd: Floats) -> Evidence:
        """Evidence of every shape at every shift.

        Parameters
        ----------
        reference_mjd
            Time that shifts count from, days, shape (n_objects,).
        """
        points = curves.points
        sigma = np.hypot(
            mag_err_from_flux(points.flux_njy, points.flux_err_njy), self.model_error_mag
        )
        weight, mag = 1.0 / (sigma * sigma), points.mag - REFERENCE_MAG
        colour = self.colour[points.band]
        rows = self._rows(curves, reference_mjd)

        def total(values: Floats, table: Singles) -> Singles:
            shape = (points.n_objects, len(table))
            sparse = csr_matrix((values.astype(np.float32), rows, points.offsets), shape=shape)
            product = sparse @ table
            return np.asarray(product.reshape(points.n_objects, -1, self.n_shapes))

        w_mag, w_colour = weight * mag, weight * colour
        terms = [weight, w_colour, w_colour * colour, w_mag, w_colour * mag, w_mag * mag]
        sums = curves.objects.sum(np.stack(terms, axis=1)).astype(np.float32)
        chi2 = total(weight, self._squares) - 2 * total(w_mag, self._table)
        chi2 += sums[:, 5, None, None]
        residual_grey = sums[:, 3, None, None] - total(weight, self._table)
        residual_tint = sums[:, 4, None, None] - total(w_colour, self._table)
        return self._integrate(sums, chi2, residual_grey, residual_tint)

    def _rows(self, curves: FeatureCurves, reference_mjd: Floats) -> NDArray[np.int64]:
        points = curves.points
        day = (points.mjd - reference_mjd[points.owner] - _FIRST_DAY) / _STEP_DAYS
        last = (_LAST_DAY - _FIRST_DAY) / _STEP_DAYS
        nearest = np.rint(np.clip(day, 0, last)).astype(np.int64)
        return nearest * points.n_bands + points.band

    def _integrate(
        self, sums: Singles, chi2: Singles, residual_grey: Singles, residual_tint: Singles
    ) -> Evidence:
        """Integrate brightness and colour out of exp(−χ²/2)."""
        norm, colour, colour2 = (sums[:, k, None] for k in range(3))
        grey, tint = self.grey_mag.astype(np.float32), self.tint_mag.astype(np.float32)
        aa, ab = norm * grey * grey + 1, colour * grey * tint
        bb = colour2 * tint * tint + 1
        determinant = aa * bb - ab * ab
        to_a, to_b = residual_grey * grey, residual_tint * tint
        variance_a, variance_b = bb / determinant, aa / determinant
        across = (ab / determinant)[:, None]
        best_a = variance_a[:, None] * to_a - across * to_b
        best_b = variance_b[:, None] * to_b - across * to_a
        gain = to_a * best_a + to_b * best_b
        log = -0.5 * (chi2 - gain + np.log(determinant)[:, None])
        return Evidence(log, best_a, best_b, variance_a, variance_b)


def place_on_knots(days: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Knot before each time and the way to the next, 0–1; times outside are put at the ends."""
    inside = np.clip(days, KNOTS_DAYS[0], KNOTS_DAYS[-1])
    low = np.clip(np.searchsorted(KNOTS_DAYS, inside, side="right") - 1, 0, len(KNOTS_DAYS) - 2)
    return low, (inside - KNOTS_DAYS[low]) / (KNOTS_DAYS[low + 1] - KNOTS_DAYS[low])


def posterior(log_weight: Singles) -> tuple[Singles, Singles]:
    """Probabilities of all cells of each row, and the logarithm of their total weight.

    Parameters
    ----------
    log_weight
        Shape (n_objects, n_cells).
    """
    top = log_weight.max(axis=1)
    weight = np.exp(log_weight - top[:, None])
    total = weight.sum(axis=1)
    return weight / total[:, None], np.log(total) + top
