"""The sky as the survey sees it: fields, readout channels, Galactic and ecliptic latitude.

The tiling imitates ZTF's primary grid (Bellm et al. 2019): rows of declination 7.2 degrees apart,
16 CCDs of four quadrants each, 3072 × 3080 pixels of 1.01 arcsec, so rcid runs from 0 to 63.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.simulator.synthetic.draws import Floats, Ints

PIXEL_ARCSEC = 1.01
QUADRANT_PIXELS = (3072.0, 3080.0)
QUADRANTS = 64
_ROW_STEP_DEG = 7.2
_FIRST_ROW_DEG = -24.25
_ROWS = 15
_FIELD_WIDTH_DEG = 6.92
_FIRST_FIELD = 245
_CCD_GAP_PIXELS = 250.0
# Galactic pole and centre in ICRS (Hipparcos catalogue, vol. 1, section 1.5.3).
_POLE_RA, _POLE_DEC, _NODE_L = 192.85948, 27.12825, 122.93192
_OBLIQUITY_DEG = 23.43928


@dataclass(frozen=True)
class Fields:
    """Field centres; all arrays have shape (F,), degrees."""

    number: Ints
    ra: Floats
    dec: Floats


def all_fields() -> Fields:
    """Every field of the grid, in rows from south to north."""
    number, ra, dec = [], [], []
    next_number = _FIRST_FIELD
    for row in range(_ROWS):
        row_dec = _FIRST_ROW_DEG + _ROW_STEP_DEG * row
        edge = max(abs(row_dec) - _ROW_STEP_DEG / 2, 0.0)
        count = max(int(np.ceil(360.0 * np.cos(np.radians(edge)) / _FIELD_WIDTH_DEG)), 1)
        number.append(next_number + np.arange(count))
        ra.append((np.arange(count) + 0.5) * 360.0 / count)
        dec.append(np.full(count, row_dec))
        next_number += count
    return Fields(np.concatenate(number), np.concatenate(ra), np.concatenate(dec))


def quadrant_offset(rcid: Ints, xpos: Floats, ypos: Floats) -> tuple[Floats, Floats]:
    """Offset of a pixel from its field's centre, east and north, degrees on the tangent plane."""
    ccd, quadrant = rcid // 4, rcid % 4
    # Quadrants count anticlockwise from the upper right, CCDs from the lower left, rows of four.
    column = 2 * (ccd % 4) + np.where((quadrant == 0) | (quadrant == 3), 1, 0)
    row = 2 * (ccd // 4) + np.where(quadrant < 2, 1, 0)
    x_total = column * QUADRANT_PIXELS[0] + (column // 2) * _CCD_GAP_PIXELS + xpos
    y_total = row * QUADRANT_PIXELS[1] + (row // 2) * _CCD_GAP_PIXELS + ypos
    width = 8 * QUADRANT_PIXELS[0] + 3 * _CCD_GAP_PIXELS
    height = 8 * QUADRANT_PIXELS[1] + 3 * _CCD_GAP_PIXELS
    scale = PIXEL_ARCSEC / 3600.0
    return (width / 2 - x_total) * scale, (y_total - height / 2) * scale


def deproject(
    ra0: Floats, dec0: Floats, east_deg: Floats, north_deg: Floats
) -> tuple[Floats, Floats]:
    """Sky position of tangent-plane offsets (gnomonic projection), degrees."""
    xi, eta = np.radians(east_deg), np.radians(north_deg)
    sin0, cos0 = np.sin(np.radians(dec0)), np.cos(np.radians(dec0))
    denominator = cos0 - eta * sin0
    ra = ra0 + np.degrees(np.arctan2(xi, denominator))
    dec = np.degrees(np.arctan2(sin0 + eta * cos0, np.hypot(xi, denominator)))
    return np.mod(ra, 360.0), dec


def shift(ra: Floats, dec: Floats, east_arcsec: Floats, north_arcsec: Floats) -> tuple[Floats, ...]:
    """Position a few arcsec away, degrees."""
    moved_ra = ra + east_arcsec / 3600.0 / np.cos(np.radians(dec))
    return np.mod(moved_ra, 360.0), dec + north_arcsec / 3600.0


def galactic(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Galactic longitude and latitude, degrees."""
    delta, pole = np.radians(dec), np.radians(_POLE_DEC)
    hour = np.radians(ra - _POLE_RA)
    sin_b = np.sin(delta) * np.sin(pole) + np.cos(delta) * np.cos(pole) * np.cos(hour)
    y = np.cos(delta) * np.sin(hour)
    x = np.sin(delta) * np.cos(pole) - np.cos(delta) * np.sin(pole) * np.cos(hour)
    longitude = np.mod(_NODE_L - np.degrees(np.arctan2(y, x)), 360.0)
    return longitude, np.degrees(np.arcsin(np.clip(sin_b, -1.0, 1.0)))


def ecliptic_latitude(ra: Floats, dec: Floats) -> Floats:
    """Latitude above the ecliptic, degrees."""
    tilt, delta = np.radians(_OBLIQUITY_DEG), np.radians(dec)
    sin_beta = np.sin(delta) * np.cos(tilt) - np.cos(delta) * np.sin(tilt) * np.sin(np.radians(ra))
    return np.asarray(np.degrees(np.arcsin(np.clip(sin_beta, -1.0, 1.0))))


def extinction_r(gal_lat: Floats) -> Floats:
    """Milky Way extinction in r of a plane-parallel dust layer, mag, at most 2."""
    return np.minimum(0.10 / np.maximum(np.sin(np.radians(np.abs(gal_lat))), 0.02), 2.0)
