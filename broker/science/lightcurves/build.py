"""Light curves of a batch of alerts: sorted, unique, each alert in its own exactly once.

Every step works on one alert's points alone, so that an alert's curve never depends on which
other alerts share its batch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from broker.surveys.arrow_columns import Bools, Codes, Ints
from broker.surveys.photometry import DETECTION, Photometry, Points
from broker.units import Floats


@dataclass(frozen=True)
class LightCurves:
    """Light curves as flat arrays: alert k owns points ``offsets[k]:offsets[k + 1]``.

    Points are ordered by alert, then time, then band, then kind.

    Attributes
    ----------
    offsets
        Shape (n_alerts + 1,).
    mjd
        Days, the survey's own scale; this and all that follow have shape (n_points,).
    band, kind
        Positions in `broker.surveys.photometry.BANDS` (−1: unknown) and ``KINDS``.
    flux_njy, flux_err_njy, mag, mag_err, mag_limit
        Difference photometry (nJy, AB mag); NaN is missing.
    sign
        1 brighter than the reference, −1 fainter, 0 not measured.
    alert_id
        Alert that the point itself came with, −1 for limits and forced photometry.
    real_bogus
        Score of that alert, 0–1; NaN is missing.
    is_this
        True for the alert's own point.
    """

    offsets: Ints
    mjd: Floats
    band: Codes
    kind: Codes
    flux_njy: Floats
    flux_err_njy: Floats
    mag: Floats
    mag_err: Floats
    mag_limit: Floats
    sign: Codes
    alert_id: Ints
    real_bogus: Floats
    is_this: Bools

    @property
    def n_alerts(self) -> int:
        """Number of alerts."""
        return len(self.offsets) - 1

    @cached_property
    def owner(self) -> Ints:
        """Alert of each point, shape (n_points,)."""
        return np.repeat(np.arange(self.n_alerts), np.diff(self.offsets))

    @cached_property
    def this(self) -> Ints:
        """Position of each alert's own point, shape (n_alerts,)."""
        return np.flatnonzero(self.is_this)

    @cached_property
    def days_before(self) -> Floats:
        """Time of each point relative to its alert, days, ≤ 0 for the past, shape (n_points,)."""
        return self.mjd - self.mjd[self.this][self.owner]

    def slice(self, start: int, stop: int) -> LightCurves:
        """Light curves of the alerts ``start:stop`` alone."""
        first, last = self.offsets[start], self.offsets[stop]
        columns = {f.name: getattr(self, f.name)[first:last] for f in fields(self)[1:]}
        return LightCurves(self.offsets[start : stop + 1] - first, **columns)


def build_lightcurves(photometry: Photometry) -> LightCurves:
    """Sort the points of each alert by time and keep one detection per (mjd, band).

    Of several detections the alert's own is kept, else the one nearest to the alert's position,
    else the one with the largest alert id.
    """
    history = photometry.history.take(~np.isnan(photometry.history.mjd))
    points = Points.concatenate([history, photometry.this])
    is_this = np.zeros(len(points), dtype=bool)
    is_this[len(history) :] = True
    order = np.lexsort((points.kind, points.band, points.mjd, points.owner))
    points, is_this = points.take(order), is_this[order]
    keep = _unique(points, is_this, photometry.this)
    if not keep.all():
        points, is_this = points.take(keep), is_this[keep]
    counts = np.bincount(points.owner, minlength=len(photometry.this))
    columns = {f.name: getattr(points, f.name) for f in fields(LightCurves)[1:-1]}
    return LightCurves(np.concatenate([[0], np.cumsum(counts)]), **columns, is_this=is_this)


def _unique(points: Points, is_this: Bools, this: Points) -> Bools:
    """Mask of the points to keep, of sorted points."""
    keep = np.ones(len(points), dtype=bool)
    same = np.zeros(len(points), dtype=bool)
    same[1:] = (
        (points.owner[1:] == points.owner[:-1])
        & (points.mjd[1:] == points.mjd[:-1])
        & (points.band[1:] == points.band[:-1])
        & (points.kind[1:] == DETECTION)
        & (points.kind[:-1] == DETECTION)
    )
    rivals = np.flatnonzero(same | np.append(same[1:], False))
    if not len(rivals):
        return keep
    epoch = np.cumsum(~same)[rivals]
    distance = _distance(points.take(rivals), this)
    best_first = np.lexsort((-points.alert_id[rivals], distance, ~is_this[rivals], epoch))
    ordered = epoch[best_first]
    loses = np.append(False, ordered[1:] == ordered[:-1])
    keep[rivals[best_first[loses]]] = False
    return keep


def _distance(points: Points, this: Points) -> Floats:
    """Haversine of the angle to the owner's position; grows with the angle, inf if unknown."""
    dec, dec_0 = np.radians(points.dec_deg), np.radians(this.dec_deg)[points.owner]
    d_ra = np.radians(points.ra_deg - this.ra_deg[points.owner])
    d_dec = dec - dec_0
    haversine = np.sin(d_dec / 2) ** 2 + np.cos(dec) * np.cos(dec_0) * np.sin(d_ra / 2) ** 2
    return np.where(np.isnan(haversine), np.inf, haversine)
