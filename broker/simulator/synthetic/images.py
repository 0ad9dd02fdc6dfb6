"""Calibration of the science images, in the packet's own names and units."""

from __future__ import annotations

from typing import Any

import numpy as np

from broker.simulator.synthetic.conditions import seeing_pixels
from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.observe import Observed

Columns = dict[str, Any]


def calibration_columns(image: Draws, fid: Ints, zero_point: Floats, gal_lat: Floats) -> Columns:
    """Zero point, colour term and their errors; all that history entries have too."""
    is_g = fid == 1
    crowd = np.exp(-np.abs(gal_lat) / 12.0)
    unc = 10.0 ** (-5.0 - 0.7 * crowd + 0.4 * image.normal("zp_error") + 0.4 * is_g)
    return {
        "magzpsci": zero_point,
        "magzpsciunc": unc,
        "magzpscirms": 0.022 + 0.014 * crowd + 0.007 * np.abs(image.normal("zp_rms")),
        "clrcoeff": np.where(is_g, -0.063, 0.097) + 0.015 * image.normal("colour_term"),
        "clrcounc": unc * 1.6 * np.exp(0.1 * image.normal("colour_error")),
    }


def image_columns(observed: Observed, alert: Ints, exposure: Ints) -> Columns:
    """Calibration of the image of each detection."""
    exposures = observed.exposures
    at = (alert, exposure)
    image = Draws(exposures.draws.keys[at])
    gal_lat = observed.places.gal_lat[alert]
    return calibration_columns(image, exposures.fid[at], exposures.zero_point[at], gal_lat)


def photometric_columns(image: Draws, fid: Ints, columns: Columns, gal_lat: Floats) -> Columns:
    """Calibration columns of an image that only the alert itself has, not its history."""
    crowd = np.exp(-np.abs(gal_lat) / 12.0)
    shift = np.where(fid == 1, -0.05, 0.07)
    return {
        "nmatches": np.clip(
            250 + 1900 * crowd * np.exp(0.25 * image.normal("matches")), 60, 2290
        ).astype(np.int64),
        "zpclrcov": -columns["magzpsciunc"] * 1.1,
        "zpmed": np.round(columns["magzpsci"] + shift + 0.01 * image.normal("zpmed"), 3),
        "clrmed": np.round(0.55 + 0.25 * crowd + 0.12 * np.abs(image.normal("clrmed")), 3),
        "clrrms": np.clip(0.30 - 0.08 * crowd + 0.03 * image.normal("clrrms"), 0.12, 0.35),
    }


def forced_columns(image: Draws) -> Columns:
    """Seeing, background and astrometry of images with forced photometry."""
    background = 130.0 * np.exp(0.5 * image.normal("background"))
    return {
        "sciinpseeing": seeing_pixels(image) * 1.03,
        "scibckgnd": background,
        "scisigpix": 0.62 * np.sqrt(background),
        "adpctdif1": 0.083 * np.exp(0.18 * image.normal("astrometry_1")),
        "adpctdif2": 0.085 * np.exp(0.15 * image.normal("astrometry_2")),
    }
