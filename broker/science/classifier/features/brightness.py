"""Counts, times, peak magnitudes, and how far the light curve has climbed and dropped."""

from __future__ import annotations

import numpy as np

from broker.science.classifier.features.declaration import Feature, FeatureCurves
from broker.units import Floats, mag_from_flux

_DETECTIONS = "the detections themselves"


def declare(bands: tuple[str, ...]) -> list[Feature]:
    """Features that `compute` gives, in order."""
    whole = [
        ("n_points", "", "detections"),
        ("n_nights", "", "dates (integer MJD) with a detection"),
        ("span_days", "d", "first to last detection"),
        ("longest_gap_days", "d", "longest time between two detections"),
        ("rise_days", "d", "first to brightest detection"),
        ("fade_days", "d", "brightest to last detection"),
        ("peak_mag", "mag", "brightest detection in any band"),
        ("snr_max", "", "largest flux over its error"),
        ("snr_min", "", "smallest flux over its error"),
    ]
    each = [
        ("share", "", "share of the detections in this band; 0: band missing"),
        ("peak_mag", "mag", "brightest detection in this band"),
        ("climb_mag", "mag", "first detection minus brightest"),
        ("drop_mag", "mag", "last detection minus brightest"),
        ("peak_day", "d", "first detection in any band to brightest in this one"),
        ("since_peak_day", "d", "brightest in this band to last detection in any"),
    ]
    per_band = [(f"{n}_{b}", unit, f"{b}: {meaning}") for b in bands for n, unit, meaning in each]
    return [Feature(n, unit, meaning, _DETECTIONS) for n, unit, meaning in [*whole, *per_band]]


def compute(curves: FeatureCurves) -> list[Floats]:
    """Columns of `declare`, each of shape (n_objects,)."""
    return [*_whole(curves), *_per_band(curves)]


def _whole(curves: FeatureCurves) -> list[Floats]:
    points, objects = curves.points, curves.objects
    starts = points.offsets[:-1]
    gap = np.diff(points.mjd, prepend=0.0)
    gap[starts] = 0.0
    night = np.floor(points.mjd)
    new_night = np.diff(night, prepend=-1.0) != 0
    new_night[starts] = True
    snr = points.flux_njy / points.flux_err_njy
    return [
        points.counts.astype(float),
        objects.sum(new_night.astype(float)),
        curves.last_mjd - curves.first_mjd,
        objects.max(gap),
        curves.peak_mjd - curves.first_mjd,
        curves.last_mjd - curves.peak_mjd,
        mag_from_flux(curves.peak_flux),
        objects.max(snr),
        objects.min(snr),
    ]


def _per_band(curves: FeatureCurves) -> list[Floats]:
    points, groups, group = curves.points, curves.groups, curves.group
    count = groups.sum(np.ones_like(points.mjd))
    peak = groups.min(points.mag)
    peak_mjd = groups.min(np.where(points.mag <= peak[group], points.mjd, np.inf))
    ordered = points.mag if groups.order is None else points.mag[groups.order]
    first, last = np.full(groups.n_groups, np.nan), np.full(groups.n_groups, np.nan)
    if len(groups.starts):
        first[groups.keys] = ordered[groups.starts]
        last[groups.keys] = ordered[np.append(groups.starts[1:], len(ordered)) - 1]
    columns = [
        curves.by_band(count) / points.counts[:, None],
        curves.by_band(peak),
        curves.by_band(first - peak),
        curves.by_band(last - peak),
        curves.by_band(peak_mjd) - curves.first_mjd[:, None],
        curves.last_mjd[:, None] - curves.by_band(peak_mjd),
    ]
    return [values[:, band] for band in range(points.n_bands) for values in columns]
