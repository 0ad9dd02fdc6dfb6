"""Photometric units: AB magnitudes, nanojansky, and the ways between them.

All functions take and return float64 arrays; NaN is "missing" and stays NaN.
Source: Oke & Gunn 1983 for the AB system; 31.4 is the zero point of nJy (8.90 for Jy + 22.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAG_ZERO_POINT_NJY = 31.4
# d mag / d ln(flux) = 2.5 / ln 10.
POGSON = 2.5 / np.log(10.0)


def flux_from_mag(mag: Floats) -> Floats:
    """Flux in nJy, without a sign: 10^(0.4 (31.4 − mag))."""
    return np.asarray(10.0 ** (0.4 * (MAG_ZERO_POINT_NJY - mag)))


def flux_err_from_mag(flux_njy: Floats, mag_err: Floats) -> Floats:
    """Flux error in nJy: 0.4 ln 10 · abs(flux) · σ(mag)."""
    return np.asarray(np.abs(flux_njy) * mag_err / POGSON)


def mag_from_flux(flux_njy: Floats) -> Floats:
    """AB magnitude of abs(flux): 31.4 − 2.5 log10 abs(flux); NaN where the flux is 0."""
    size = np.where(flux_njy == 0, np.nan, np.abs(flux_njy))
    return np.asarray(MAG_ZERO_POINT_NJY - 2.5 * np.log10(size))


def mag_err_from_flux(flux_njy: Floats, flux_err_njy: Floats) -> Floats:
    """Magnitude error: 2.5 / ln 10 · σ(flux) / abs(flux); NaN where the flux is 0."""
    size = np.where(flux_njy == 0, np.nan, np.abs(flux_njy))
    return np.asarray(POGSON * flux_err_njy / size)


def njy_per_unit(zero_point: float) -> float:
    """Nanojansky in one unit of a flux scale, from the AB magnitude of that scale's flux 1.

    Examples
    --------
    >>> njy_per_unit(31.4)
    1.0
    >>> round(njy_per_unit(27.5), 3)
    36.308
    """
    return float(10.0 ** (0.4 * (MAG_ZERO_POINT_NJY - zero_point)))
