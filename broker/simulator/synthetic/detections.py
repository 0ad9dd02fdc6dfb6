"""Everything the pipeline measures of one detection, in the packet's own names and units.

A detection's numbers hang on its object and exposure, so an alert and the later alert that has it
in its history tell the same. Widths of the distributions are those of real packets of 2018–2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from broker.simulator.synthetic import sky
from broker.simulator.synthetic.catalogue import ReferenceSource
from broker.simulator.synthetic.conditions import magnitude, seeing_pixels
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints, keys_of, mix
from broker.simulator.synthetic.exposures import DETECTION_SIGMA
from broker.simulator.synthetic.images import image_columns
from broker.simulator.synthetic.observe import NO_ARTEFACT, Observed
from broker.simulator.synthetic.populations.artefact import GHOST, RESIDUAL, SPIKE

Columns = dict[str, Any]
_APERTURE_WIDENS = 1.23


@dataclass(frozen=True)
class SyntheticDetections:
    """D detections of a chunk's alerts: which alert, which exposure, and its columns."""

    alert: Ints
    exposure: Ints
    columns: Columns


def detect(
    observed: Observed, table_row: Ints, first_row: Ints, near: ReferenceSource
) -> SyntheticDetections:
    """Measure all detections in the alerts' histories, the alerts themselves included."""
    alert, exposure = np.nonzero(observed.seen)
    at = (alert, exposure)
    exposures = observed.exposures
    pid, fid = exposures.pid[at], exposures.fid[at]
    draws = Draws(mix(observed.keys[alert] ^ keys_of(np.uint64(7), pid)))
    flux, error = observed.measured[at], observed.error[at]
    artefact = observed.artefact[alert]
    limit, mag = exposures.limit[at], magnitude(flux)
    columns: Columns = {
        "jd": exposures.jd[at],
        "fid": fid,
        "pid": pid,
        "diffmaglim": limit,
        "programid": np.ones_like(fid),
        "candid": _candid(observed, alert, exposure, pid, draws, table_row, first_row),
        "isdiffpos": np.where(flux > 0.0, "t", "f"),
        "nid": exposures.night[at],
        "magpsf": mag,
        "sigmapsf": 2.5 / np.log(10.0) * error / np.abs(flux),
    }
    columns["tblid"] = columns["candid"] % 10_000
    columns |= image_columns(observed, alert, exposure)
    columns |= _position(observed, alert, draws, columns["sigmapsf"], fid, near)
    seeing = seeing_pixels(Draws(exposures.draws.keys[at]))
    columns |= _photometry(draws, columns, limit, artefact)
    columns |= _shape(draws, columns["sigmapsf"], seeing, artefact)
    columns |= _scores(draws, columns["sigmapsf"], _sky_snr(mag, limit), artefact)
    return SyntheticDetections(alert, exposure, columns)


def _candid(
    observed: Observed,
    alert: Ints,
    exposure: Ints,
    pid: Ints,
    draws: Draws,
    table_row: Ints,
    first_row: Ints,
) -> Ints:
    """Number of the exposure's channel, ``01`` and the row in its table of detections."""
    row = (draws.uniform("row") * 90.0).astype(np.int64)
    is_own = exposure == observed.exposure_of_alert[alert]
    earlier_tonight = ~is_own & (exposure >= observed.exposures.jd.shape[1] - 2)
    row = np.where(is_own, table_row[alert], np.where(earlier_tonight, first_row[alert], row))
    return pid * 1_000_000 + 10_000 + row


def _position(
    observed: Observed,
    alert: Ints,
    draws: Draws,
    sigma_mag: Floats,
    fid: Ints,
    near: ReferenceSource,
) -> Columns:
    """Centroid with its error, and the nearest source of the reference image."""
    places = observed.places
    error_arcsec = 0.06 + 0.55 * sigma_mag
    east, north = error_arcsec * draws.normal("east"), error_arcsec * draws.normal("north")
    ra, dec = sky.shift(places.ra[alert], places.dec[alert], east, north)
    ranr, decnr = sky.shift(
        places.ra[alert], places.dec[alert], near.east[alert], near.north[alert]
    )
    apart = np.hypot(near.east[alert] - east, near.north[alert] - north)
    mag = np.where(fid == 1, near.g[alert], near.r[alert])
    galaxy = near.is_galaxy[alert] > 0.5
    x = places.xpos[alert] - east / sky.PIXEL_ARCSEC
    y = places.ypos[alert] + north / sky.PIXEL_ARCSEC
    width, height = sky.QUADRANT_PIXELS
    sharp = np.where(galaxy, np.abs(0.35 * draws.normal("sharp")), 0.05 * draws.normal("sharp"))
    return {
        "rcid": places.rcid[alert],
        "xpos": x,
        "ypos": y,
        "ra": np.round(ra, 7),
        "dec": np.round(dec, 7),
        "mindtoedge": np.minimum(np.minimum(x, width - x), np.minimum(y, height - y)),
        "distnr": apart / sky.PIXEL_ARCSEC,
        "ranr": np.round(ranr, 7),
        "decnr": np.round(decnr, 7),
        "magnr": np.round(np.clip(mag, 11.5, 23.6), 3),
        "sigmagnr": np.round(0.012 + 0.34 * _faintness(mag), 3),
        "chinr": np.round(np.exp(-0.2 + 0.5 * draws.normal("chinr") + 0.8 * galaxy), 3),
        "sharpnr": np.round(sharp, 3),
    }


def _faintness(mag: Floats) -> Floats:
    """Relative error of a reference source: 1 at magnitude 23.4, less as 10^(0.3 m)."""
    return np.minimum(10.0 ** (0.3 * (mag - 23.4)), 1.0)


def _photometry(draws: Draws, columns: Columns, limit: Floats, artefact: Ints) -> Columns:
    """Aperture magnitudes beside the PSF fit."""
    sigma, mag = columns["sigmapsf"], columns["magpsf"]
    depth = _sky_snr(mag, limit)
    sigma_ap = np.clip(0.003 + 2.0 / depth * np.exp(0.15 * draws.normal("sigmagap")), 0.002, 0.9)
    spread = np.where(artefact == NO_ARTEFACT, 0.4, 1.0) * (sigma_ap + sigma)
    extended = np.where(artefact == GHOST, -0.35, 0.0)
    difference = np.clip(0.02 + extended + spread * draws.normal("magap"), -0.4, 0.75)
    big = mag + difference - 0.015 + 0.35 * sigma_ap * draws.normal("magapbig")
    wider = _APERTURE_WIDENS * np.exp(0.05 * draws.normal("sigmagapbig"))
    chi = np.exp(0.25 + 0.4 * draws.normal("chipsf")) * (1.0 + (depth / 30.0) ** 1.3)
    odd = np.isin(artefact, (RESIDUAL, SPIKE))
    return {
        "magap": mag + difference,
        "sigmagap": np.round(sigma_ap, 4),
        "magdiff": difference,
        "magfromlim": limit - mag - difference,
        "magapbig": big,
        "sigmagapbig": np.round(sigma_ap * wider, 4),
        "chipsf": chi * np.where(odd, 4.0, 1.0),
        "sky": 0.07 + 0.7 * draws.normal("sky") * np.exp(0.5 * draws.normal("sky_width")),
    }


def _shape(draws: Draws, sigma: Floats, seeing: Floats, artefact: Ints) -> Columns:
    """Size and form as SExtractor measures them on the difference image."""
    blur = 0.06 + 0.9 * sigma
    fwhm = seeing * np.exp(0.03 + blur * draws.normal("fwhm"))
    fwhm = np.where(artefact == SPIKE, 1.0 + 0.35 * draws.uniform("fwhm_spike"), fwhm)
    fwhm = np.where(artefact == GHOST, 3.5 + 3.3 * draws.uniform("fwhm_ghost"), fwhm)
    fwhm = np.asarray(np.round(np.clip(fwhm, 0.9, 6.98), 2), dtype=np.float64)
    lopsided = np.where(artefact == NO_ARTEFACT, 0.12, 0.22)
    elong = 1.0 + lopsided * np.abs(draws.normal("elong")) + 0.02
    bimage = np.round(0.335 * seeing * np.exp(0.12 * draws.normal("bimage")), 3)
    aimage = np.round(bimage * elong, 3)
    return {
        "fwhm": fwhm,
        "seeratio": np.clip(seeing * 1.13 / fwhm, 0.3, 2.0),
        "aimage": aimage,
        "bimage": bimage,
        "aimagerat": aimage / fwhm,
        "bimagerat": bimage / fwhm,
        "elong": aimage / bimage,
        "classtar": np.round(_classtar(draws, sigma, artefact), 3),
    }


def _classtar(draws: Draws, sigma: Floats, artefact: Ints) -> Floats:
    noise = (sigma / 0.15) ** 2 * draws.exponential("classtar_blur")
    sharp = 0.99 - 0.007 * draws.exponential("classtar") - 0.04 * noise
    return np.clip(np.where(artefact == GHOST, 0.1 + 0.5 * draws.uniform("ghost"), sharp), 0.0, 1.0)


def _sky_snr(mag: Floats, limit: Floats) -> Floats:
    """Signal over the noise of the sky alone, which subtraction errors of bright stars exceed."""
    return np.asarray(DETECTION_SIGMA * 10.0 ** (0.4 * (limit - mag)))


def _scores(draws: Draws, sigma: Floats, sky_snr: Floats, artefact: Ints) -> Columns:
    """Signal to noise, pixel counts and real-bogus scores."""
    snr = 2.5 / np.log(10.0) / sigma
    scorr = np.maximum(snr * 1.35 * np.exp(0.22 * draws.normal("scorr")), 5.02)
    is_real = artefact == NO_ARTEFACT
    below = -(3.4 + 1.8 * np.log10(scorr / 6.0)) + 1.7 * draws.normal("drb")
    doubt = np.clip(below, -8.0, -0.02)
    fake = np.where(
        draws.uniform("fake") < 0.85,
        10.0 ** (-4.5 * draws.uniform("fake_drb")),
        draws.uniform("hit"),
    )
    dimples = np.where(artefact == RESIDUAL, 0.34, 0.20 * np.minimum(6.0 / scorr, 1.0) + 0.06)
    nneg = np.clip(25.0 * dimples + 1.8 * draws.normal("nneg"), 0.0, 13.0)
    rb_real = 1.0 - 0.27 * np.minimum((8.0 / scorr) ** 0.5, 1.2) * draws.uniform("rb") ** 0.6
    rb = np.where(is_real, rb_real - 0.02, 0.08 + 0.52 * draws.uniform("rb") ** 1.3)
    sumrat = np.where(
        is_real,
        1.0 - 0.05 * nneg / 4.0 * draws.uniform("sumrat"),
        0.45 + 0.5 * (draws.uniform("sumrat")),
    )
    ssnrms = 1.5 * sky_snr * np.exp(0.25 * draws.normal("ssnrms"))
    dsnrms = ssnrms * 0.58 * np.exp(0.12 * draws.normal("dsnrms"))
    return {
        # The only double that is not rounded otherwise: its last bits depend on the processor.
        "scorr": np.round(scorr, 6),
        "rb": np.round(rb * 350.0) / 350.0,
        "drb": np.where(is_real, 1.0 - 10.0**doubt, fake),
        "nneg": nneg.astype(np.int64),
        "nbad": ((artefact == SPIKE) & (draws.uniform("nbad") < 0.3)).astype(np.int64),
        "sumrat": np.clip(sumrat, 0.3, 1.0),
        "ssnrms": ssnrms,
        "dsnrms": dsnrms,
        "dsdiff": dsnrms - ssnrms,
    }


def own_rows(observed: Observed, detections: SyntheticDetections) -> Ints:
    """Row of each alert's own detection, in the order of alerts."""
    own: Bools = detections.exposure == observed.exposure_of_alert[detections.alert]
    return np.flatnonzero(own)
