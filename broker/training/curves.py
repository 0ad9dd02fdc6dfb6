"""Labelled light curves, cut at the ages at which a broker would see them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from broker.science.classifier.features.detections import Detections
from broker.science.classifier.model import MIN_POINTS
from broker.surveys.arrow_columns import Ints
from broker.units import Floats

Strings = NDArray[np.str_]
N_FOLDS = 5
_SEED = "nightjar classifier"
_LEAST_KEPT = 0.3


@dataclass(frozen=True)
class LabelledCurves:
    """Light curves with what is known of them; all arrays but `points` have shape (n_curves,).

    Attributes
    ----------
    points
        Their detections; curve k is "object" k there.
    object_id
        What folds and intervals go by; several curves may share one.
    label
        Position of the class in the model's list.
    source
        Which data set and kind of object it is, for results apart.
    """

    points: Detections
    object_id: Strings
    label: Ints
    source: Strings

    def __len__(self) -> int:
        return len(self.object_id)

    def take(self, chosen: Ints) -> LabelledCurves:
        """Curves at these positions."""
        return LabelledCurves(
            self.points.take(chosen),
            self.object_id[chosen],
            self.label[chosen],
            self.source[chosen],
        )

    def enough(self) -> LabelledCurves:
        """Curves with as many detections as a score needs."""
        return self.take(np.flatnonzero(self.points.counts >= MIN_POINTS))

    def first_mjd(self) -> Floats:
        """First detection of each; no curve may be empty."""
        return self.points.mjd[self.points.offsets[:-1]]

    def last_mjd(self) -> Floats:
        """Last detection of each."""
        return self.points.mjd[self.points.offsets[1:] - 1]

    def cut(self, chosen: Ints, first: Floats, last: Floats) -> LabelledCurves:
        """Curves `chosen` with the points from `first` to `last` (MJD, both included) alone."""
        curves = self.take(chosen)
        mjd, owner = curves.points.mjd, curves.points.owner
        points = curves.points.keep((mjd >= first[owner]) & (mjd <= last[owner]))
        return LabelledCurves(points, curves.object_id, curves.label, curves.source)


def concatenate(parts: Sequence[LabelledCurves]) -> LabelledCurves:
    """All curves of all parts."""
    points = [part.points for part in parts]
    counts = np.concatenate([p.counts for p in points])
    flat = {
        f.name: np.concatenate([getattr(p, f.name) for p in points])
        for f in fields(Detections)
        if f.name not in ("offsets", "n_bands")
    }
    joined = Detections(
        **flat, offsets=np.concatenate([[0], np.cumsum(counts)]), n_bands=points[0].n_bands
    )
    return LabelledCurves(
        joined,
        np.concatenate([part.object_id for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.source for part in parts]),
    )


def digest(words: str) -> int:
    """A number that depends on the words alone, the same on every machine."""
    return int(hashlib.sha256(f"{_SEED} {words}".encode()).hexdigest()[:12], 16)


def folds(object_id: Strings, n_folds: int = N_FOLDS) -> Ints:
    """Fold of each curve, by its object."""
    of_object = {name: digest(f"fold {name}") % n_folds for name in np.unique(object_id)}
    return np.array([of_object[name] for name in object_id], dtype=np.int64)


def random_epochs(points: Detections, object_id: Strings, most: int) -> tuple[Ints, Floats]:
    """Up to `most` detections of each curve to stop at, from the third on.

    Each object draws from its own random numbers, whatever else is in the set.

    Returns
    -------
    curve, mjd
        One entry per cut.
    """
    chosen, times = [], []
    for k, name in enumerate(object_id):
        mjd = points.mjd[points.offsets[k] : points.offsets[k + 1]]
        candidates = np.arange(MIN_POINTS - 1, len(mjd))
        random = np.random.default_rng(digest(f"epochs {name}"))
        stops = random.permutation(candidates)[:most]
        chosen.append(np.full(len(stops), k))
        times.append(mjd[np.sort(stops)])
    return np.concatenate(chosen), np.concatenate(times)


def thin(curves: LabelledCurves) -> LabelledCurves:
    """Copies that keep a random part of their detections, as under a sparser cadence.

    Each curve keeps each detection with one chance of its own, 0.3 to 1.
    """
    random = np.random.default_rng(digest("thin"))
    chance = random.uniform(_LEAST_KEPT, 1.0, len(curves))
    kept = random.random(len(curves.points.mjd)) < chance[curves.points.owner]
    return LabelledCurves(
        curves.points.keep(kept), curves.object_id, curves.label, curves.source
    ).enough()


def equal_weights(object_id: Strings) -> Floats:
    """Weights by which every object counts as one, however many curves it has."""
    _, inverse, counts = np.unique(object_id, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[inverse])
