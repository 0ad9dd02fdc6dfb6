"""Colours of neighbouring bands and how they change, from detections near in time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from broker.science.classifier.features.declaration import Feature, FeatureCurves
from broker.science.classifier.features.segments import Segments
from broker.units import Floats

MAX_DAYS_APART = 1.5
_PEAK_WINDOW_DAYS = 4.0
_MIN_SPREAD_DAYS2 = 0.05
_PAIRS = "consecutive detections in the two bands, at most 1.5 d apart"


def declare(bands: tuple[str, ...]) -> list[Feature]:
    """Features that `compute` gives, in order."""
    each = [
        ("mean", "mag", "weighted mean"),
        ("change", "mag/d", "slope in time by weighted least squares"),
        ("first", "mag", "first"),
        ("last", "mag", "last"),
        ("peak", "mag", "nearest to the brightest detection, within 4 d"),
    ]
    return [
        Feature(f"colour_{name}_{blue}{red}", unit, f"{blue} − {red}: {meaning}", _PAIRS)
        for blue, red in pairwise(bands)
        for name, unit, meaning in each
    ]


def compute(curves: FeatureCurves) -> list[Floats]:
    """Columns of `declare`, each of shape (n_objects,)."""
    n_pairs = curves.points.n_bands - 1
    return [values for blue in range(n_pairs) for values in _colours(curves, blue, blue + 1)]


def _colours(curves: FeatureCurves, blue: int, red: int) -> list[Floats]:
    points, n_objects = curves.points, curves.points.n_objects
    either = np.flatnonzero((points.band == blue) | (points.band == red))
    owner, mjd, band = points.owner[either], points.mjd[either], points.band[either]
    near = np.flatnonzero(
        (owner[1:] == owner[:-1]) & (band[1:] != band[:-1]) & (mjd[1:] - mjd[:-1] <= MAX_DAYS_APART)
    )
    mag, error = points.mag[either], points.mag_err[either]
    owner, time = owner[near], (mjd[near] + mjd[near + 1]) / 2
    colour = np.where(band[near] == blue, mag[near] - mag[near + 1], mag[near + 1] - mag[near])
    weight = 1.0 / (error[near] ** 2 + error[near + 1] ** 2)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    segments = Segments(None, starts, owner[starts], n_objects)
    mean, change = _line(segments, time - curves.last_mjd[owner], colour, weight)
    first, last = np.full(n_objects, np.nan), np.full(n_objects, np.nan)
    first[segments.keys] = colour[starts]
    last[segments.keys] = colour[np.append(starts[1:], len(colour)) - 1] if len(starts) else []
    distance = np.abs(time - curves.peak_mjd[owner])
    nearest = segments.min(distance)
    at_nearest = segments.min(np.where(distance <= nearest[owner], colour, np.inf))
    peak = np.where(nearest <= _PEAK_WINDOW_DAYS, at_nearest, np.nan)
    return [mean, change, first, last, peak]


def _line(segments: Segments, t: Floats, colour: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted mean, and slope where the pairs span enough time, of each object."""
    terms = [weight, weight * t, weight * t * t, weight * colour, weight * t * colour]
    norm, st, stt, sc, stc = segments.sum(np.stack(terms, axis=1)).T
    spread = stt - st * st / norm
    change = np.where(spread > _MIN_SPREAD_DAYS2 * norm, (stc - st * sc / norm) / spread, np.nan)
    return np.where(norm > 0, sc / norm, np.nan), change
