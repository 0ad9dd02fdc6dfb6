"""What a feature is, and what all features of a batch share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from broker.science.classifier.features.detections import Detections
from broker.science.classifier.features.segments import (
    Segments,
    by_object,
    by_object_and_band,
)
from broker.surveys.arrow_columns import Ints
from broker.units import Floats


class Feature(NamedTuple):
    """One column of the feature matrix; NaN is "cannot be known from these points"."""

    name: str
    unit: str
    meaning: str
    source: str


@dataclass(frozen=True)
class FeatureCurves:
    """Detections of a batch with their groups and the times that features refer to.

    Every object has at least one detection.
    """

    points: Detections
    bands: tuple[str, ...]

    @cached_property
    def objects(self) -> Segments:
        """Points by object."""
        return by_object(self.points)

    @cached_property
    def groups(self) -> Segments:
        """Points by object and band."""
        return by_object_and_band(self.points)

    @cached_property
    def group(self) -> Ints:
        """Group of each point, shape (n_points,)."""
        return self.points.owner * self.points.n_bands + self.points.band

    @cached_property
    def first_mjd(self) -> Floats:
        """Time of the first detection, days, shape (n_objects,)."""
        return self.points.mjd[self.points.offsets[:-1]]

    @cached_property
    def last_mjd(self) -> Floats:
        """Time of the last detection, days, shape (n_objects,)."""
        return self.points.mjd[self.points.offsets[1:] - 1]

    @cached_property
    def peak_flux(self) -> Floats:
        """Largest flux in any band, nJy, shape (n_objects,)."""
        return self.objects.max(self.points.flux_njy)

    @cached_property
    def peak_mjd(self) -> Floats:
        """Time of that flux, days, shape (n_objects,)."""
        brightest = self.points.flux_njy >= self.peak_flux[self.points.owner]
        return self.objects.min(np.where(brightest, self.points.mjd, np.inf))

    def by_band(self, values: Floats) -> Floats:
        """Values of shape (n_objects · n_bands,) as (n_objects, n_bands)."""
        return values.reshape(-1, self.points.n_bands)
