"""Reader of packets with magnitudes of the difference, a sign, and limits of non-detections.

Field meanings: the ZTF alert schema and Masci et al. 2019 (PASP 131, 018003); forced photometry:
Masci et al. 2023 (arXiv:2305.16279).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from broker.surveys.arrow_columns import ArrowColumns, Codes, Ints
from broker.surveys.photometry import (
    BANDS,
    DETECTION,
    FORCED,
    FORCED_MIN_SNR,
    NO_ID,
    UPPER_LIMIT,
    Bands,
    Photometry,
    Points,
    floats_or_nan,
    ids_or_none,
    path_in,
    score_or_nan,
)
from broker.surveys.times import Clock
from broker.units import Floats, flux_err_from_mag, flux_from_mag, mag_err_from_flux, mag_from_flux


@dataclass(frozen=True)
class MagnitudeFields:
    """Fields of a record of magnitudes, or of a list of such records; empty: there is none.

    Parameters
    ----------
    record
        Top-level field of the packet.
    time, mag, mag_err, sign, ra, dec
        Its fields. An entry without a magnitude is an upper limit.
    limit
        5σ limiting magnitude of the exposure.
    score
        Real-bogus score, 0–1.
    alert_id
        Id of the alert that an entry of the history came with.
    """

    record: str
    time: str = "jd"
    mag: str = "magpsf"
    mag_err: str = "sigmapsf"
    sign: str = "isdiffpos"
    ra: str = "ra"
    dec: str = "dec"
    limit: str = "diffmaglim"
    score: str = ""
    alert_id: str = ""

    def paths(self, bands: Bands) -> tuple[str, ...]:
        """Fields to read."""
        names = (
            *(self.time, bands.field, self.mag, self.mag_err, self.limit, self.sign),
            *(self.score, self.ra, self.dec, self.alert_id),
        )
        return tuple(path_in(self.record, name) for name in names if name)


@dataclass(frozen=True)
class ForcedCounts:
    """Forced photometry in counts, with a zero point and a status for each entry.

    Parameters
    ----------
    record
        Top-level field of the packet: a list of records.
    time, flux, flux_err, zero_point, limit, status
        Its fields.
    good_status
        Value of a status without a problem.
    missing_flux
        Up to here a flux is a sentinel.
    """

    record: str
    time: str
    flux: str
    flux_err: str
    zero_point: str
    limit: str
    status: str
    good_status: str
    missing_flux: float

    def paths(self, bands: Bands) -> tuple[str, ...]:
        """Fields to read."""
        names = (
            *(self.time, bands.field, self.flux, self.flux_err),
            *(self.zero_point, self.limit, self.status),
        )
        return tuple(path_in(self.record, name) for name in names if name)


@dataclass(frozen=True)
class Magnitudes:
    """Photometry of packets with magnitudes.

    Parameters
    ----------
    clock
        What their times are.
    bands
        How they name filters.
    alert_id
        Path of the alert's id.
    signs
        Value of the field `MagnitudeFields.sign` → 1 brighter than the reference, −1 fainter.
    this, history
        The alert's own record, and the list of earlier ones.
    forced
        Forced photometry, where there is any.
    n_detections, first_time
        Paths of the number of detections so far and of the first one's time; empty: not given.
    ab_offset
        Band → what to add to its magnitudes for AB; none: they are AB.
    """

    clock: Clock
    bands: Bands
    alert_id: str
    signs: Mapping[str | bool, int]
    this: MagnitudeFields
    history: MagnitudeFields
    forced: ForcedCounts | None = None
    n_detections: str = ""
    first_time: str = ""
    ab_offset: Mapping[str, float] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Fields of the packet that `read` needs, dotted."""
        forced = self.forced.paths(self.bands) if self.forced is not None else ()
        return (
            self.alert_id,
            *self.this.paths(self.bands),
            *self.clock.paths,
            *(path for path in (self.n_detections, self.first_time) if path),
            *self.history.paths(self.bands),
            *forced,
        )

    # The fluxes' zero point plays no part in magnitudes.
    def read(self, packets: ArrowColumns, flux_zero_point: float) -> Photometry:  # noqa: ARG002
        """Photometry of a batch; `mjd` is the survey's own time."""
        alert_id = packets.integers(self.alert_id, NO_ID)
        this = self._points(packets, self.this, np.arange(packets.n_rows), alert_id)
        # The alert itself is a detection whatever its packet lacks.
        this = replace(this, kind=np.full(packets.n_rows, DETECTION, dtype=np.int8))
        return Photometry(
            this=this,
            history=self._history(packets),
            mjd_tai_mid=self.clock.mid_tai(packets, this.mjd),
            n_detections=self._n_detections(packets),
            first_mjd=self._first_mjd(packets),
        )

    def _history(self, packets: ArrowColumns) -> Points:
        fields = self.history
        owner = packets.owners(path_in(fields.record, fields.time))
        alert_id = ids_or_none(packets, fields.record, fields.alert_id, len(owner))
        points = self._points(packets, fields, owner, alert_id)
        points = points.take((points.kind == DETECTION) | ~np.isnan(points.mag_limit))
        if self.forced is None:
            return points
        return Points.concatenate([points, self._forced(packets, self.forced)])

    def _points(
        self, packets: ArrowColumns, fields: MagnitudeFields, owner: Ints, alert_id: Ints
    ) -> Points:
        """Detections and upper limits; an entry without a magnitude is a limit."""
        record, n_points = fields.record, len(owner)
        band = self.bands.codes(packets, record, n_points)
        mag = self._mags(floats_or_nan(packets, record, fields.mag, n_points), band)
        mag_err = floats_or_nan(packets, record, fields.mag_err, n_points)
        limit = self._mags(floats_or_nan(packets, record, fields.limit, n_points), band)
        sign = packets.codes(path_in(record, fields.sign), self.signs, 0)
        detected = ~np.isnan(mag)
        mag_err = np.where(detected & (mag_err >= 0), mag_err, np.nan)
        size = flux_from_mag(mag)
        flux_err = np.where(detected, flux_err_from_mag(size, mag_err), flux_from_mag(limit) / 5)
        score = floats_or_nan(packets, record, fields.score, n_points)
        return Points(
            owner=owner,
            mjd=self.clock.mjd(packets.floats(path_in(record, fields.time))),
            band=band,
            kind=np.where(detected, DETECTION, UPPER_LIMIT).astype(np.int8),
            flux_njy=np.where(sign == 0, np.nan, sign * size),
            flux_err_njy=flux_err,
            mag=mag,
            mag_err=mag_err,
            mag_limit=limit,
            sign=np.where(detected, sign, 0).astype(np.int8),
            alert_id=alert_id,
            real_bogus=score_or_nan(np.where(detected, score, np.nan)),
            ra_deg=floats_or_nan(packets, record, fields.ra, n_points),
            dec_deg=floats_or_nan(packets, record, fields.dec, n_points),
        )

    def _forced(self, packets: ArrowColumns, fields: ForcedCounts) -> Points:
        """Forced photometry that the pipeline calls good; magnitudes only from 3σ on."""
        record = fields.record
        counts = packets.floats(path_in(record, fields.flux))
        errors = packets.floats(path_in(record, fields.flux_err))
        zero_point = _plausible_mag(packets.floats(path_in(record, fields.zero_point)))
        good = packets.is_one_of(path_in(record, fields.status), (fields.good_status,))
        good &= (counts > fields.missing_flux) & ~np.isnan(zero_point)
        njy_per_count = flux_from_mag(zero_point)
        flux = counts * njy_per_count
        flux_err = np.where(errors >= 0, errors, np.nan) * njy_per_count
        seen = np.abs(flux) >= FORCED_MIN_SNR * flux_err
        missing = np.full(len(counts), np.nan)
        return Points(
            owner=packets.owners(path_in(record, fields.time)),
            mjd=self.clock.mjd(packets.floats(path_in(record, fields.time))),
            band=self.bands.codes(packets, record, len(counts)),
            kind=np.full(len(counts), FORCED, dtype=np.int8),
            flux_njy=flux,
            flux_err_njy=flux_err,
            mag=np.where(seen, mag_from_flux(flux), np.nan),
            mag_err=np.where(seen, mag_err_from_flux(flux, flux_err), np.nan),
            mag_limit=_plausible_mag(packets.floats(path_in(record, fields.limit))),
            sign=np.nan_to_num(np.sign(flux)).astype(np.int8),
            alert_id=np.full(len(counts), NO_ID),
            real_bogus=missing,
            ra_deg=missing,
            dec_deg=missing,
        ).take(good)

    def _mags(self, values: Floats, band: Codes) -> Floats:
        """AB magnitudes without sentinels."""
        mags = _plausible_mag(values)
        if not self.ab_offset:
            return mags
        offsets = [self.ab_offset.get(name, np.nan) for name in BANDS]
        return np.asarray(mags + np.array([*offsets, np.nan])[band])

    def _n_detections(self, packets: ArrowColumns) -> Ints:
        if not self.n_detections:
            return np.full(packets.n_rows, -1)
        return packets.integers(self.n_detections, -1)

    def _first_mjd(self, packets: ArrowColumns) -> Floats:
        if not self.first_time:
            return np.full(packets.n_rows, np.nan)
        first = self.clock.mjd(packets.floats(self.first_time))
        return np.where(first > 0, first, np.nan)


def _plausible_mag(mag: Floats) -> Floats:
    """Magnitudes without sentinels; −999 and, once in a while, −1006.94 occur."""
    return np.where((mag > 0) & (mag < 90), mag, np.nan)
