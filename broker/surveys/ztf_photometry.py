"""ZTF packets to common photometry.

Field meanings: the ZTF alert schema and Masci et al. 2019 (PASP 131, 018003); forced photometry:
Masci et al. 2023 (arXiv:2305.16279).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache

import erfa
import numpy as np

from broker.surveys.arrow_columns import ArrowColumns, Bools, Ints
from broker.surveys.photometry import (
    DETECTION,
    FORCED,
    NO_ID,
    UPPER_LIMIT,
    Codes,
    Photometry,
    Points,
)
from broker.units import Floats, flux_err_from_mag, flux_from_mag, mag_err_from_flux, mag_from_flux

MJD_OF_JD_0 = 2400000.5
DEFAULT_EXPOSURE_SECONDS = 30.0
SECONDS_PER_DAY = 86400.0
# Band codes of fid 1, 2, 3 = g, r, i; anything else is unknown.
_BAND_OF_FID = np.array([-1, 1, 2, 3], dtype=np.int8)
# Both spellings occur in the stream's history.
_POSITIVE = ("t", "1")
_NEGATIVE = ("f", "0")
_FORCED_MISSING_FLUX = -99998.0
_FORCED_MIN_SNR = 3.0

_THIS = ("jd", "fid", "magpsf", "sigmapsf", "diffmaglim", "isdiffpos", "rb", "ra", "dec")
_FORCED = ("jd", "fid", "forcediffimflux", "forcediffimfluxunc", "magzpsci", "procstatus")
PATHS = (
    "candid",
    *(f"candidate.{name}" for name in (*_THIS, "exptime", "ndethist", "jdstarthist")),
    *(f"prv_candidates.{name}" for name in (*_THIS, "candid")),
    *(f"fp_hists.{name}" for name in (*_FORCED, "diffmaglim")),
)


# ZTF sends magnitudes, so the fluxes' zero point plays no part.
def read(packets: ArrowColumns, flux_zero_point: float) -> Photometry:  # noqa: ARG001
    """Photometry of a batch of ZTF packets; `mjd` is the start of the exposure, UTC."""
    everyone = np.arange(packets.n_rows)
    this = _differences(packets, "candidate", everyone, packets.integers("candid", NO_ID))
    # The alert itself is a detection whatever its packet lacks.
    this = replace(this, kind=np.full(packets.n_rows, DETECTION, dtype=np.int8))
    history_id = packets.integers("prv_candidates.candid", NO_ID)
    owner = packets.owners("prv_candidates.jd")
    history = _differences(packets, "prv_candidates", owner, history_id)
    history = history.take((history.kind == DETECTION) | ~np.isnan(history.mag_limit))
    first_jd = packets.floats("candidate.jdstarthist")
    return Photometry(
        this=this,
        history=Points.concatenate([history, _forced(packets)]),
        mjd_tai_mid=_mid_tai(this.mjd, packets.floats("candidate.exptime")),
        n_detections=packets.integers("candidate.ndethist", -1),
        first_mjd=np.where(first_jd > MJD_OF_JD_0, first_jd - MJD_OF_JD_0, np.nan),
    )


def _differences(packets: ArrowColumns, record: str, owner: Ints, alert_id: Ints) -> Points:
    """Detections and upper limits of `record`; an entry without a magnitude is a limit."""
    mag = _plausible_mag(packets.floats(f"{record}.magpsf"))
    mag_err = packets.floats(f"{record}.sigmapsf")
    limit = _plausible_mag(packets.floats(f"{record}.diffmaglim"))
    sign = _signs(packets, f"{record}.isdiffpos")
    detected = ~np.isnan(mag)
    mag_err = np.where(detected & (mag_err >= 0), mag_err, np.nan)
    size = flux_from_mag(mag)
    return Points(
        owner=owner,
        mjd=packets.floats(f"{record}.jd") - MJD_OF_JD_0,
        band=_bands(packets, f"{record}.fid"),
        kind=np.where(detected, DETECTION, UPPER_LIMIT).astype(np.int8),
        flux_njy=np.where(sign == 0, np.nan, sign * size),
        flux_err_njy=np.where(detected, flux_err_from_mag(size, mag_err), flux_from_mag(limit) / 5),
        mag=mag,
        mag_err=mag_err,
        mag_limit=limit,
        sign=np.where(detected, sign, 0).astype(np.int8),
        alert_id=alert_id,
        real_bogus=_score(np.where(detected, packets.floats(f"{record}.rb"), np.nan)),
        ra_deg=packets.floats(f"{record}.ra"),
        dec_deg=packets.floats(f"{record}.dec"),
    )


def _forced(packets: ArrowColumns) -> Points:
    """Forced photometry that the pipeline calls good; magnitudes only from 3σ on."""
    counts = packets.floats("fp_hists.forcediffimflux")
    errors = packets.floats("fp_hists.forcediffimfluxunc")
    zero_point = _plausible_mag(packets.floats("fp_hists.magzpsci"))
    good = _good_forced(packets, counts) & ~np.isnan(zero_point)
    njy_per_count = flux_from_mag(zero_point)
    flux = counts * njy_per_count
    flux_err = np.where(errors >= 0, errors, np.nan) * njy_per_count
    seen = np.abs(flux) >= _FORCED_MIN_SNR * flux_err
    missing = np.full(len(counts), np.nan)
    return Points(
        owner=packets.owners("fp_hists.jd"),
        mjd=packets.floats("fp_hists.jd") - MJD_OF_JD_0,
        band=_bands(packets, "fp_hists.fid"),
        kind=np.full(len(counts), FORCED, dtype=np.int8),
        flux_njy=flux,
        flux_err_njy=flux_err,
        mag=np.where(seen, mag_from_flux(flux), np.nan),
        mag_err=np.where(seen, mag_err_from_flux(flux, flux_err), np.nan),
        mag_limit=_plausible_mag(packets.floats("fp_hists.diffmaglim")),
        sign=np.nan_to_num(np.sign(flux)).astype(np.int8),
        alert_id=np.full(len(counts), NO_ID),
        real_bogus=missing,
        ra_deg=missing,
        dec_deg=missing,
    ).take(good)


def _good_forced(packets: ArrowColumns, counts: Floats) -> Bools:
    return packets.is_one_of("fp_hists.procstatus", ("0",)) & (counts > _FORCED_MISSING_FLUX)


def _signs(packets: ArrowColumns, path: str) -> Codes:
    positive = packets.is_one_of(path, _POSITIVE).astype(np.int8)
    return positive - packets.is_one_of(path, _NEGATIVE).astype(np.int8)


def _bands(packets: ArrowColumns, path: str) -> Codes:
    fid = packets.integers(path, 0)
    return _BAND_OF_FID[np.where((fid >= 1) & (fid <= 3), fid, 0)]


def _plausible_mag(mag: Floats) -> Floats:
    """Magnitudes without sentinels; −999 and, once in a while, −1006.94 occur."""
    return np.where((mag > 0) & (mag < 90), mag, np.nan)


def _score(score: Floats) -> Floats:
    return np.where((score >= 0) & (score <= 1), score, np.nan)


def _mid_tai(mjd_utc_start: Floats, exposure_seconds: Floats) -> Floats:
    """Midpoint in TAI: start (UTC) + half the exposure + (TAI − UTC)."""
    seconds = np.where(exposure_seconds > 0, exposure_seconds, DEFAULT_EXPOSURE_SECONDS)
    mid = mjd_utc_start + seconds / 2.0 / SECONDS_PER_DAY
    return mid + _tai_minus_utc_seconds(mid) / SECONDS_PER_DAY


def _tai_minus_utc_seconds(mjd_utc: Floats) -> Floats:
    starts, seconds = _leap_seconds()
    step = np.searchsorted(starts, mjd_utc, side="right") - 1
    return seconds[np.maximum(step, 0)]


@cache
def _leap_seconds() -> tuple[Floats, Floats]:
    """MJD from which each TAI − UTC (seconds) holds, since 1972; erfa's copy of IERS Bulletin C."""
    table = erfa.leap_seconds.get()
    table = table[table["year"] >= 1972]
    starts = [
        (dt.date(year, month, 1) - dt.date(1858, 11, 17)).days
        for year, month in table[["year", "month"]].tolist()
    ]
    return np.array(starts, dtype=np.float64), table["tai_utc"].astype(np.float64)
