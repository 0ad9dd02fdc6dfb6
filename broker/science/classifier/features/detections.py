"""Positive detections of many objects as flat arrays with offsets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from broker.science.lightcurves.build import LightCurves
from broker.surveys.arrow_columns import Bools, Codes, Ints
from broker.surveys.photometry import BANDS, DETECTION
from broker.units import Floats, mag_err_from_flux, mag_from_flux

MAG_ERR_FLOOR = 0.02
"""Calibration scatter of difference photometry; keeps one bright point from ruling a fit."""


@dataclass(frozen=True)
class FluxCurves:
    """Light curves as far as a model sees them; attributes as in `LightCurves`."""

    offsets: Ints
    owner: Ints
    mjd: Floats
    band: Codes
    kind: Codes
    sign: Codes
    flux_njy: Floats
    flux_err_njy: Floats

    @property
    def n_alerts(self) -> int:
        """Number of alerts."""
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Detections:
    """Detections of positive flux, ordered by object, time and band.

    Attributes
    ----------
    mjd
        Days, shape (n_points,).
    band
        Position in the model's list of bands, shape (n_points,).
    flux_njy, flux_err_njy
        Difference flux and its error, both > 0, shape (n_points,).
    offsets
        Object k owns the points ``offsets[k]:offsets[k + 1]``, shape (n_objects + 1,).
    n_bands
        How many bands the model knows.
    """

    mjd: Floats
    band: Ints
    flux_njy: Floats
    flux_err_njy: Floats
    offsets: Ints
    n_bands: int

    @property
    def n_objects(self) -> int:
        """Number of objects, those without a detection included."""
        return len(self.offsets) - 1

    @cached_property
    def counts(self) -> Ints:
        """Detections per object, shape (n_objects,)."""
        return np.asarray(np.diff(self.offsets))

    @cached_property
    def owner(self) -> Ints:
        """Object of each point, shape (n_points,)."""
        return np.repeat(np.arange(self.n_objects), self.counts)

    @cached_property
    def mag(self) -> Floats:
        """AB magnitude, shape (n_points,)."""
        return mag_from_flux(self.flux_njy)

    @cached_property
    def mag_err(self) -> Floats:
        """Error of the magnitude with the calibration floor added, shape (n_points,)."""
        return np.hypot(mag_err_from_flux(self.flux_njy, self.flux_err_njy), MAG_ERR_FLOOR)

    def span(self, start: int, stop: int) -> Detections:
        """Objects ``start:stop`` alone."""
        first, last = self.offsets[start], self.offsets[stop]
        return self._points(slice(first, last), self.offsets[start : stop + 1] - first)

    def keep(self, chosen: Bools) -> Detections:
        """Points where the mask is true, of all objects."""
        counts = np.bincount(self.owner[chosen], minlength=self.n_objects)
        return self._points(chosen, _offsets(counts))

    def take(self, objects: Ints) -> Detections:
        """Those objects, in that order and as often as they are named."""
        counts, starts = self.counts[objects], self.offsets[:-1][objects]
        offsets = _offsets(counts)
        points = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return self._points(points, offsets)

    def _points(self, chosen: Ints | Bools | slice, offsets: Ints) -> Detections:
        return Detections(
            self.mjd[chosen],
            self.band[chosen],
            self.flux_njy[chosen],
            self.flux_err_njy[chosen],
            offsets,
            self.n_bands,
        )


def positive_detections(curves: LightCurves | FluxCurves, bands: tuple[str, ...]) -> Detections:
    """Detections brighter than the reference in the bands of a model.

    Parameters
    ----------
    bands
        Names of `broker.surveys.photometry.BANDS`, in the model's order; others are left out.
    """
    position = np.full(len(BANDS) + 1, -1)
    position[[BANDS.index(band) for band in bands]] = np.arange(len(bands))
    band = position[curves.band]
    usable = (
        (curves.kind == DETECTION)
        & (curves.sign > 0)
        & (band >= 0)
        & (curves.flux_njy > 0)
        & (curves.flux_err_njy > 0)
    )
    counts = np.bincount(curves.owner[usable], minlength=curves.n_alerts)
    return Detections(
        curves.mjd[usable],
        band[usable],
        curves.flux_njy[usable],
        curves.flux_err_njy[usable],
        _offsets(counts),
        len(bands),
    )


def _offsets(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)])
