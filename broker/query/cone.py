"""A circle on the sky: first the HEALPix cells that it touches, then the exact distance."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import cone_search

from broker.errors import UsageError

_ORDER = 29
_WHOLE_SKY_ARCSEC = 180 * 3600
# Side of the 12 base cells, about; each order halves it.
_BASE_CELL_DEG = 58.6
# Great-circle distance by the haversine formula (Sinnott 1984), which keeps its digits at
# small distances; in arcsec, between a row and the parameters.
SEPARATION = """
2 * asin(least(1, sqrt(
    sin(radians(dec_deg - $dec) / 2) ** 2
    + cos(radians(dec_deg)) * cos(radians($dec)) * sin(radians(ra_deg - $ra) / 2) ** 2
))) * 180 / pi() * 3600
"""


def check_cone(ra_deg: float, dec_deg: float, radius_arcsec: float) -> None:
    """Refuse what is no circle on the sky.

    Raises
    ------
    UsageError
        The right ascension is not finite, or the declination or the radius is out of range.
    """
    if not math.isfinite(ra_deg):
        raise UsageError(f"right ascension {ra_deg} is not a number; give degrees, such as 196.55")
    if not -90 <= dec_deg <= 90:
        raise UsageError(f"declination {dec_deg} is not between -90 and 90; give degrees")
    if not 0 < radius_arcsec <= _WHOLE_SKY_ARCSEC:
        raise UsageError(
            f"radius {radius_arcsec} is not between 0 and {_WHOLE_SKY_ARCSEC} (180°); "
            "give arcseconds"
        )


def cell_ranges(ra_deg: float, dec_deg: float, radius_arcsec: float) -> list[tuple[int, int]]:
    """Ranges ``[first, last]`` of cells of order 29 (NESTED) that cover a circle.

    Returns
    -------
    list of tuple
        In order, few: the cells searched are about as large as the circle.
    """
    radius_deg = radius_arcsec / 3600
    if radius_deg > 90:  # cone_search leaves cells out of circles beyond 139°
        return [(0, (12 << 2 * _ORDER) - 1)]
    order = int(np.clip(math.floor(math.log2(_BASE_CELL_DEG / radius_deg)), 0, _ORDER - 2))
    cells, orders, _ = cone_search(
        Longitude(ra_deg % 360, unit="deg"),
        Latitude(dec_deg, unit="deg"),
        radius_deg * u.deg,
        order,
    )
    shift = 2 * (_ORDER - orders.astype(np.int64))
    first = np.sort(cells.astype(np.int64) << shift)
    last = np.sort(((cells.astype(np.int64) + 1) << shift) - 1)
    starts = np.flatnonzero(np.append(True, first[1:] > last[:-1] + 1))
    ends = np.append(starts[1:] - 1, len(last) - 1)
    return [(int(first[s]), int(last[e])) for s, e in zip(starts, ends, strict=True)]


def in_ranges(ranges: list[tuple[int, int]]) -> str:
    """Condition on ``healpix29``; files and row groups outside of it are not read."""
    return " OR ".join(f"healpix29 BETWEEN {first} AND {last}" for first, last in ranges)
