"""ELAsTiCC packets to common photometry.

Fluxes are on one of two scales, which the packets don't name: nJy, or SNANA's FLUXCAL (zero point
27.5) in the prototypes; ``science.flux_zero_point`` says which.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from broker.surveys.arrow_columns import ArrowColumns, Ints
from broker.surveys.photometry import (
    BANDS,
    DETECTION,
    FORCED,
    NO_ID,
    UPPER_LIMIT,
    Photometry,
    Points,
    band_codes,
)
from broker.units import mag_err_from_flux, mag_from_flux, njy_per_unit

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
        first_mjd=np.full(packets.n_rows, np.nan),
    )


def _detections(packets: ArrowColumns, record: str, owner: Ints, scale: float) -> Points:
    points = _with_fluxes(_blank(packets, record, owner, DETECTION), packets, record, scale)
    return replace(
        points,
        mag=mag_from_flux(points.flux_njy),
        mag_err=mag_err_from_flux(points.flux_njy, points.flux_err_njy),
        alert_id=packets.integers(f"{record}.diaSourceId", NO_ID),
        ra_deg=packets.floats(f"{record}.ra"),
        dec_deg=packets.floats(f"{record}.decl"),
    )


def _forced(packets: ArrowColumns, scale: float) -> Points:
    """Forced photometry; magnitudes only from 3σ on."""
    record = "prvDiaForcedSources"
    blank = _blank(packets, record, packets.owners(f"{record}.midPointTai"), FORCED)
    points = _with_fluxes(blank, packets, record, scale)
    flux, flux_err = points.flux_njy, points.flux_err_njy
    seen = np.abs(flux) >= _FORCED_MIN_SNR * flux_err
    points = replace(
        points,
        mag=np.where(seen, mag_from_flux(flux), np.nan),
        mag_err=np.where(seen, mag_err_from_flux(flux, flux_err), np.nan),
    )
    return points.take(~np.isnan(flux))


def _limits(packets: ArrowColumns, scale: float) -> Points:
    """Non-detections: 1σ noise becomes a 5σ limit, as ZTF's are."""
    record = "prvDiaNondetectionLimits"
    noise = packets.floats(f"{record}.diaNoise") * scale
    noise = np.where(noise > 0, noise, np.nan)
    blank = _blank(packets, record, packets.owners(f"{record}.midPointTai"), UPPER_LIMIT)
    points = replace(blank, flux_err_njy=noise, mag_limit=mag_from_flux(_LIMIT_SNR * noise))
    return points.take(~np.isnan(noise))


def _with_fluxes(points: Points, packets: ArrowColumns, record: str, scale: float) -> Points:
    flux = packets.floats(f"{record}.psFlux") * scale
    flux_err = packets.floats(f"{record}.psFluxErr") * scale
    return replace(
        points,
        flux_njy=flux,
        flux_err_njy=np.where(flux_err >= 0, flux_err, np.nan),
        sign=np.nan_to_num(np.sign(flux)).astype(np.int8),
    )


def _blank(packets: ArrowColumns, record: str, owner: Ints, kind: int) -> Points:
    """Points of `record` with their time and band, and nothing measured."""
    missing = np.full(len(owner), np.nan)
    return Points(
        owner=owner,
        mjd=packets.floats(f"{record}.midPointTai"),
        band=band_codes(packets.strings(f"{record}.filterName"), _SPELLING),
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
