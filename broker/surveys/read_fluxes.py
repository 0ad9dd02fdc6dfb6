"""Reader of packets with fluxes of the difference, whose sign is the flux's own.

Fluxes are on one scale per stream, which the packets do not name: nJy, or SNANA's FLUXCAL (zero
point 27.5) in ELAsTiCC's prototypes; ``science.flux_zero_point`` says which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from broker.surveys.arrow_columns import ArrowColumns, Ints
from broker.surveys.photometry import (
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
from broker.units import mag_err_from_flux, mag_from_flux, njy_per_unit

_LIMIT_SNR = 5.0


@dataclass(frozen=True)
class FluxFields:
    """Fields of a record of fluxes, or of a list of such records; empty: there is none.

    Parameters
    ----------
    record
        Top-level field of the packet.
    time, flux, flux_err
        Its fields.
    alert_id
        Id of the alert that an entry came with.
    ra, dec
        Position of the detection.
    score
        Real-bogus score, 0–1.
    """

    record: str
    time: str
    flux: str
    flux_err: str
    alert_id: str = ""
    ra: str = ""
    dec: str = ""
    score: str = ""

    def paths(self, bands: Bands) -> tuple[str, ...]:
        """Fields to read."""
        names = (
            *(self.alert_id, self.time, bands.field, self.flux, self.flux_err),
            *(self.ra, self.dec, self.score),
        )
        return tuple(path_in(self.record, name) for name in names if name)


@dataclass(frozen=True)
class NoiseFields:
    """Fields of a list of non-detections: the 1σ noise of each exposure."""

    record: str
    time: str
    noise: str

    def paths(self, bands: Bands) -> tuple[str, ...]:
        """Fields to read."""
        names = (self.time, bands.field, self.noise)
        return tuple(path_in(self.record, name) for name in names if name)


@dataclass(frozen=True)
class Fluxes:
    """Photometry of packets with fluxes.

    Parameters
    ----------
    clock
        What their times are.
    bands
        How they name filters.
    this, history
        The alert's own record, and the list of earlier detections, without the alert's own.
    forced
        List of forced photometry, where there is any.
    limits
        List of non-detections, where there is any.
    """

    clock: Clock
    bands: Bands
    this: FluxFields
    history: FluxFields
    forced: FluxFields | None = None
    limits: NoiseFields | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Fields of the packet that `read` needs, dotted."""
        parts = (self.this, self.history, self.forced, self.limits)
        return (
            *(path for part in parts if part is not None for path in part.paths(self.bands)),
            *self.clock.paths,
        )

    def read(self, packets: ArrowColumns, flux_zero_point: float) -> Photometry:
        """Photometry of a batch.

        Parameters
        ----------
        packets
            Fields `paths`.
        flux_zero_point
            AB magnitude of the packets' flux 1.
        """
        scale = njy_per_unit(flux_zero_point)
        this = self._detections(packets, self.this, np.arange(packets.n_rows), scale)
        history = path_in(self.history.record, self.history.time)
        detections = self._detections(packets, self.history, packets.owners(history), scale)
        parts = [detections.take(~np.isnan(detections.flux_njy))]
        if self.forced is not None:
            parts.append(self._forced(packets, self.forced, scale))
        if self.limits is not None:
            parts.append(self._limits(packets, self.limits, scale))
        return Photometry(
            this=this,
            history=Points.concatenate(parts),
            mjd_tai_mid=self.clock.mid_tai(packets, this.mjd),
            n_detections=packets.lengths(history) + 1,
            first_mjd=np.full(packets.n_rows, np.nan),
        )

    def _detections(
        self, packets: ArrowColumns, fields: FluxFields, owner: Ints, scale: float
    ) -> Points:
        points = self._with_fluxes(packets, fields, owner, DETECTION, scale)
        record, n_points = fields.record, len(owner)
        return replace(
            points,
            mag=mag_from_flux(points.flux_njy),
            mag_err=mag_err_from_flux(points.flux_njy, points.flux_err_njy),
            alert_id=ids_or_none(packets, record, fields.alert_id, n_points),
            real_bogus=score_or_nan(floats_or_nan(packets, record, fields.score, n_points)),
            ra_deg=floats_or_nan(packets, record, fields.ra, n_points),
            dec_deg=floats_or_nan(packets, record, fields.dec, n_points),
        )

    def _forced(self, packets: ArrowColumns, fields: FluxFields, scale: float) -> Points:
        """Forced photometry; magnitudes only from 3σ on."""
        owner = packets.owners(path_in(fields.record, fields.time))
        points = self._with_fluxes(packets, fields, owner, FORCED, scale)
        flux, flux_err = points.flux_njy, points.flux_err_njy
        seen = np.abs(flux) >= FORCED_MIN_SNR * flux_err
        points = replace(
            points,
            mag=np.where(seen, mag_from_flux(flux), np.nan),
            mag_err=np.where(seen, mag_err_from_flux(flux, flux_err), np.nan),
        )
        return points.take(~np.isnan(flux))

    def _limits(self, packets: ArrowColumns, fields: NoiseFields, scale: float) -> Points:
        """Non-detections: 1σ noise becomes a 5σ limit."""
        time = path_in(fields.record, fields.time)
        noise = packets.floats(path_in(fields.record, fields.noise)) * scale
        noise = np.where(noise > 0, noise, np.nan)
        blank = self._blank(packets, fields.record, time, packets.owners(time), UPPER_LIMIT)
        points = replace(blank, flux_err_njy=noise, mag_limit=mag_from_flux(_LIMIT_SNR * noise))
        return points.take(~np.isnan(noise))

    def _with_fluxes(
        self, packets: ArrowColumns, fields: FluxFields, owner: Ints, kind: int, scale: float
    ) -> Points:
        record = fields.record
        flux = packets.floats(path_in(record, fields.flux)) * scale
        flux_err = packets.floats(path_in(record, fields.flux_err)) * scale
        return replace(
            self._blank(packets, record, path_in(record, fields.time), owner, kind),
            flux_njy=flux,
            flux_err_njy=np.where(flux_err >= 0, flux_err, np.nan),
            sign=np.nan_to_num(np.sign(flux)).astype(np.int8),
        )

    def _blank(
        self, packets: ArrowColumns, record: str, time: str, owner: Ints, kind: int
    ) -> Points:
        """Points of a record with their time and band, and nothing measured."""
        missing = np.full(len(owner), np.nan)
        return Points(
            owner=owner,
            mjd=self.clock.mjd(packets.floats(time)),
            band=self.bands.codes(packets, record, len(owner)),
            kind=np.full(len(owner), kind, dtype=np.int8),
            flux_njy=missing,
            flux_err_njy=missing,
            mag=missing,
            mag_err=missing,
            mag_limit=missing,
            sign=np.zeros(len(owner), dtype=np.int8),
            alert_id=np.full(len(owner), NO_ID),
            real_bogus=missing,
            ra_deg=missing,
            dec_deg=missing,
        )
