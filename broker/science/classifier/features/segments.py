"""Sums and extremes over segments (an object, or one band of an object) of flat arrays.

Every reduction runs over one segment's own values in their own order, so a result never depends
on which other objects are in the batch. Dense matrix products and cumulative sums are avoided
for that reason: their rounding depends on the neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.science.classifier.features.detections import Detections
from broker.surveys.arrow_columns import Ints
from broker.units import Floats


@dataclass(frozen=True)
class Segments:
    """Points grouped by a key; groups without points exist too.

    Attributes
    ----------
    order
        Points by key, in time order within a key; None when they already are.
    starts, keys
        First point (in that order) and key of each group that has points.
    n_groups
        Number of groups, empty ones included.
    """

    order: Ints | None
    starts: Ints
    keys: Ints
    n_groups: int

    def sum(self, values: Floats) -> Floats:
        """Sum per group, 0 for an empty one; values of shape (n_points, ...)."""
        return self._reduce(np.add, values, 0.0)

    def max(self, values: Floats) -> Floats:
        """Largest value per group, NaN for an empty one."""
        return self._reduce(np.maximum, values, np.nan)

    def min(self, values: Floats) -> Floats:
        """Smallest value per group, NaN for an empty one."""
        return self._reduce(np.minimum, values, np.nan)

    def _reduce(self, ufunc: np.ufunc, values: Floats, fill: float) -> Floats:
        result = np.full((self.n_groups, *values.shape[1:]), fill)
        if len(self.starts):
            ordered = values if self.order is None else values[self.order]
            result[self.keys] = ufunc.reduceat(ordered, self.starts, axis=0)
        return result


def by_object(points: Detections) -> Segments:
    """Group points by object."""
    filled = np.flatnonzero(points.counts)
    return Segments(None, points.offsets[:-1][filled], filled, points.n_objects)


def by_object_and_band(points: Detections) -> Segments:
    """Group points by object and band: group = object · n_bands + band."""
    key = points.owner * points.n_bands + points.band
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return Segments(order, starts, ordered[starts], points.n_objects * points.n_bands)
