"""Templates of each class by expectation maximisation.

Every light curve belongs to one template of its class, at an unknown time of maximum, brightness
and colour. Rounds alternate between where each light curve stands (its evidence on a fine grid
of times) and the shapes, a weighted penalised least-squares fit of straight segments between
knots: smooth in time, with second differences that bands share (Dempster, Laird & Rubin 1977 for
the scheme; Eilers & Marx 1996 for the penalty).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.science.classifier.features.declaration import FeatureCurves as Grouped
from broker.science.classifier.features.detections import Detections
from broker.science.classifier.features.grid import (
    KNOTS_DAYS,
    REFERENCE_MAG,
    SHIFTS_DAYS,
    ShapeGrid,
    Singles,
    place_on_knots,
)
from broker.science.classifier.features.templates import Templates
from broker.surveys.arrow_columns import Ints
from broker.units import Floats

_FIT_SHIFTS_DAYS = np.arange(-12.0, 13.0)
_SHIFT_PRIOR_DAYS = 10.0
_FIT_ERROR_MAG = 0.15
_MOST_POINTS = 15.0
"""A light curve with more detections weighs no more in its shape than one with so many."""
_SMOOTH, _SMOOTH_BAND, _SAME_SLOPE, _RIDGE = 3000.0, 300.0, 20.0, 1e-3
_LEAST_SHARE = 0.02
_PRIOR_CURVES = 10.0
"""Light curves that the first spread counts for, so that rare templates keep a sane one."""


@dataclass(frozen=True)
class TemplateStart:
    """Where the fit starts.

    Attributes
    ----------
    template
        First guess of each light curve's template, shape (n_curves,).
    class_of
        Class of each template; light curves stay in their class.
    colour
        Bands' part in a change of colour, shape (n_bands,).
    bands
        Names of the bands.
    grey_mag, tint_mag
        First spread of brightness and colour.
    n_rounds
        How many rounds.
    """

    template: Ints
    class_of: Ints
    colour: Floats
    bands: tuple[str, ...]
    model_error_mag: float = 0.1
    grey_mag: float = 0.7
    tint_mag: float = 0.15
    n_rounds: int = 8


@dataclass
class _State:
    """State that rounds update: share, maximum, grey and tint of each curve by template."""

    share: Floats
    maximum: Floats
    grey: Floats
    tint: Floats
    grey_mag: Floats
    tint_mag: Floats


def fit_templates(points: Detections, start: TemplateStart) -> Templates:
    """Templates of light curves of one object each; none may be empty."""
    grouped = Grouped(points, start.bands)
    state = _first_state(grouped, start)
    for _ in range(start.n_rounds):
        curves = _fit_shapes(points, start, state)
        _place(grouped, start, state, curves)
    shares = state.share.sum(axis=0)
    of_class = np.bincount(start.class_of, weights=shares)[start.class_of]
    grid = ShapeGrid(
        curves, state.grey_mag, state.tint_mag, start.colour, start.model_error_mag, SHIFTS_DAYS
    )
    return Templates(grid, start.class_of, np.maximum(shares / of_class, 1e-6))


def _first_state(grouped: Grouped, start: TemplateStart) -> _State:
    n_curves, n_templates = grouped.points.n_objects, len(start.class_of)
    share = np.zeros((n_curves, n_templates))
    share[np.arange(n_curves), start.template] = 1.0
    return _State(
        share=share,
        maximum=np.repeat(grouped.peak_mjd[:, None], n_templates, axis=1),
        grey=np.zeros((n_curves, n_templates)),
        tint=np.zeros((n_curves, n_templates)),
        grey_mag=np.full(n_templates, start.grey_mag),
        tint_mag=np.full(n_templates, start.tint_mag),
    )


def _fit_shapes(points: Detections, start: TemplateStart, state: _State) -> Floats:
    """Magnitudes of every template at the knots, shape (n_templates, n_bands, n_knots)."""
    n_templates = len(start.class_of)
    return np.array([_fit_shape(points, start, state, k) for k in range(n_templates)])


def _fit_shape(points: Detections, start: TemplateStart, state: _State, k: int) -> Floats:
    share = state.share[:, k]
    if share.max() <= _LEAST_SHARE:  # a template that lost all its members starts again
        share = (start.class_of[start.template] == start.class_of[k]).astype(float)
    used = np.flatnonzero(share[points.owner] > _LEAST_SHARE)
    owner, band = points.owner[used], points.band[used]
    low, part = place_on_knots(points.mjd[used] - state.maximum[owner, k])
    fair = np.minimum(1.0, _MOST_POINTS / points.counts[owner])
    weight = share[owner] * fair / (points.mag_err[used] ** 2 + _FIT_ERROR_MAG**2)
    offset = state.grey[owner, k] * state.grey_mag[k]
    offset = offset + state.tint[owner, k] * state.tint_mag[k] * start.colour[band]
    mag = points.mag[used] - REFERENCE_MAG - offset
    n_bands, n_knots = points.n_bands, len(KNOTS_DAYS)
    matrix = np.zeros((n_bands, n_knots, n_knots))
    target = np.full((n_bands, n_knots), _RIDGE * np.average(mag, weights=weight))
    ends = ((low, 1 - part), (low + 1, part))
    for knot, value in ends:
        np.add.at(target, (band, knot), weight * value * mag)
        for other, other_value in ends:
            np.add.at(matrix, (band, knot, other), weight * value * other_value)
    full = _penalty(n_bands)
    for b in range(n_bands):
        block = slice(b * n_knots, (b + 1) * n_knots)
        full[block, block] += matrix[b]
    return np.linalg.solve(full, target.ravel()).reshape(n_bands, n_knots)


def _penalty(n_bands: int) -> Floats:
    """Roughness of each band, and differences between the bands' slopes and bends."""
    n_knots, steps = len(KNOTS_DAYS), np.diff(KNOTS_DAYS)
    slopes = np.diff(np.eye(n_knots), axis=0) / steps[:, None]
    bends = np.diff(slopes, axis=0) * np.sqrt((steps[1:] + steps[:-1]) / 2)[:, None]
    roughness = bends.T @ bends
    steepness = (slopes * steps[:, None]).T @ slopes
    apart = np.eye(n_bands) - 1.0 / n_bands
    each = _SMOOTH_BAND * roughness + _RIDGE * np.eye(n_knots)
    return np.asarray(
        np.kron(apart, _SMOOTH * roughness + _SAME_SLOPE * steepness)
        + np.kron(np.eye(n_bands), each)
    )


def _place(grouped: Grouped, start: TemplateStart, state: _State, curves: Floats) -> None:
    """Where each light curve stands under each template, and how much it belongs to it."""
    here = np.arange(grouped.points.n_objects)
    best_template = state.share.argmax(axis=1)
    reference = state.maximum[here, best_template]
    grid = ShapeGrid(
        curves,
        state.grey_mag,
        state.tint_mag,
        start.colour,
        start.model_error_mag,
        _FIT_SHIFTS_DAYS,
    )
    found = grid.evidence(grouped, reference)
    prior = -0.5 * (_FIT_SHIFTS_DAYS / _SHIFT_PRIOR_DAYS) ** 2
    log = found.log.astype(float) + prior[:, None]
    best = log.argmax(axis=1)
    evidence = np.log(np.exp(log - log.max(axis=1)[:, None]).sum(axis=1)) + log.max(axis=1)
    state.share = _shares(evidence, start, state.share)
    state.maximum = reference[:, None] + _FIT_SHIFTS_DAYS[best]
    state.grey = _centred(_at(found.grey, best), state.share)
    state.tint = _centred(_at(found.tint, best), state.share)
    grey2, tint2 = state.grey**2 + found.grey_variance, state.tint**2 + found.tint_variance
    state.grey_mag = _spread(state.grey_mag, grey2, state.share, start.grey_mag)
    state.tint_mag = _spread(state.tint_mag, tint2, state.share, start.tint_mag)


def _shares(evidence: Floats, start: TemplateStart, before: Floats) -> Floats:
    """Probability of each template of a light curve's own class."""
    class_of_curve = start.class_of[start.template]
    log = evidence + np.log(np.maximum(before.sum(axis=0), 1.0))
    log[start.class_of[None, :] != class_of_curve[:, None]] = -np.inf
    weight = np.exp(log - log.max(axis=1)[:, None])
    return np.asarray(weight / weight.sum(axis=1)[:, None])


def _at(values: Singles, best: Ints) -> Floats:
    chosen = np.take_along_axis(values, best[:, None, :], axis=1)[:, 0]
    return np.asarray(chosen, dtype=np.float64)


def _centred(values: Floats, share: Floats) -> Floats:
    """Values about each template's mean, which belongs into its shape."""
    total = share.sum(axis=0) + _PRIOR_CURVES
    return np.asarray(values - (values * share).sum(axis=0) / total)


def _spread(sigma: Floats, squares: Floats, share: Floats, first: float) -> Floats:
    """Spread of each template from the second moments in units of the last one."""
    variance = sigma**2 * (squares * share).sum(axis=0) + _PRIOR_CURVES * first**2
    return np.asarray(np.sqrt(variance / (share.sum(axis=0) + _PRIOR_CURVES)))
