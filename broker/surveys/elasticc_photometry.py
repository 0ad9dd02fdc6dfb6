"""ELAsTiCC packets to common photometry.

Fluxes are on one of two scales, which the packets don't name: nJy, or SNANA's FLUXCAL (zero point
27.5) in the prototypes; ``science.flux_zero_point`` says which.
"""

from __future__ import annotations

import numpy as np

from broker.surveys.arrow_columns import Ints, ArrowColumns
from broker.surveys.photometry import (
    BANDS,
    DETECTION,
    FORCED,
    NO_ID,
    UPPER_LIMIT,
    Photometry,
    Points,
    band_codes,
    empty_floats,
)
from broker.units import Floats, mag_err_from_flux, mag_from_flux, njy_per_unit

_SPELLING = {**{band: band for band in BANDS}, "Y": "y"}
_FORCED_MIN_SNR = 3.0
_LIMIT_SNR = 5.0

_FLUX = ("midPointTai", "filterName", "psFlux", "psFluxErr")
_SOURCE = ("diaSourceId", *_FLUX, "ra", "decl")
PATHS = (
    *(f"diaSource.{name}" for name in _SOURCE),
    *(f"prvDiaSources.{name}" for name in _SOURCE),
    *(f"prvDiaForcedSources.{name}" for name in _FLUX),
    *(f"prvDiaNondetectionLimits.{name}" for name in ("midPointTai", "filterName", "diaNoise")),
)


def read(packets: ArrowColumns, flux_zero_point: float) -> Photometry:
    """Photometry of a batch of ELAsTiCC packets.

    Parameters
    ----------
    packets
        Fields `PATHS`.
    flux_zero_point
        AB magnitude of the packets' flux 1.
    """
    scale = njy_per_unit(flux_zero_point)
    this = _detections(packets, "diaSource", np.arange(packets.n_rows), scale)
    owner = packets.owners("prvDiaSources.midPointTai")
    detections = _detections(packets, "prvDiaSources", owner, scale)
    parts = [
        detections.take(~np.isnan(detections.flux_njy)),
        _forced(packets, scale),
        _limits(packets, scale),
    ]
    return Photometry(
        this=this,
        history=Points.concatenate(parts),
        mjd_tai_mid=this.mjd,
        n_detections=packets.lengths("prvDiaSources.midPointTai") + 1,
        first_mjd=empty_floats(packets.n_rows),
    )


def _detections(packets: ArrowColumns, record: str, owner: Ints, scale: float) -> Points:
    flux, flux_err = _fluxes(packets, record, scale)
    mag = mag_from_flux(flux)
    mag_err = mag_err_from_flux(flux, flux_err)
    return _points(
        packets,
        record,
        owner,
        DETECTION,
        flux,
        flux_err,
        mag,
        mag_err,
        alert_id=packets.integers(f"{record}.diaSourceId", NO_ID),
        ra_deg=packets.floats(f"{record}.ra"),
        dec_deg=packets.floats(f"{record}.decl"),
    )


def _forced(packets: ArrowColumns, scale: float) -> Points:
    record = "prvDiaForcedSources"
    flux, flux_err = _fluxes(packets, record, scale)
    seen = np.abs(flux) >= _FORCED_MIN_SNR * flux_err
    mag = np.where(seen, mag_from_flux(flux), np.nan)
    mag_err = np.where(seen, mag_err_from_flux(flux, flux_err), np.nan)
    owner = packets.owners(f"{record}.midPointTai")
    points = _points(packets, record, owner, FORCED, flux, flux_err, mag, mag_err)
    return points.take(~np.isnan(flux))


def _limits(packets: ArrowColumns, scale: float) -> Points:
    """Non-detections: 1σ noise becomes a 5σ limit, as ZTF's are."""
    record = "prvDiaNondetectionLimits"
    noise = packets.floats(f"{record}.diaNoise") * scale
    noise = np.where(noise > 0, noise, np.nan)
    missing = empty_floats(len(noise))
    owner = packets.owners(f"{record}.midPointTai")
    points = _points(
        packets,
        record,
        owner,
        UPPER_LIMIT,
        missing,
        noise,
        missing,
        missing,
        mag_limit=mag_from_flux(_LIMIT_SNR * noise),
    )
    return points.take(~np.isnan(noise))


def _fluxes(packets: ArrowColumns, record: str, scale: float) -> tuple[Floats, Floats]:
    flux_err = packets.floats(f"{record}.psFluxErr") * scale
    flux = packets.floats(f"{record}.psFlux") * scale
    return flux, np.where(flux_err >= 0, flux_err, np.nan)


def _points(
    packets: ArrowColumns,
    record: str,
    owner: Ints,
    kind: int,
    flux_njy: Floats,
    flux_err_njy: Floats,
    mag: Floats,
    mag_err: Floats,
    mag_limit: Floats | None = None,
    alert_id: Ints | None = None,
    ra_deg: Floats | None = None,
    dec_deg: Floats | None = None,
) -> Points:
    n = len(owner)
    return Points(
        owner=owner,
        mjd=packets.floats(f"{record}.midPointTai"),
        band=band_codes(packets.strings(f"{record}.filterName"), _SPELLING),
        kind=np.full(n, kind, dtype=np.int8),
        flux_njy=flux_njy,
        flux_err_njy=flux_err_njy,
        mag=mag,
        mag_err=mag_err,
        mag_limit=empty_floats(n) if mag_limit is None else mag_limit,
        sign=np.nan_to_num(np.sign(flux_njy)).astype(np.int8),
        alert_id=np.full(n, NO_ID) if alert_id is None else alert_id,
        real_bogus=empty_floats(n),
        ra_deg=empty_floats(n) if ra_deg is None else ra_deg,
        dec_deg=empty_floats(n) if dec_deg is None else dec_deg,
    )
