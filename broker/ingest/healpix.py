"""HEALPix cells by Spark's own expressions: rows of 75 kB stay in the JVM."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

HEALPIX_ORDER = 29
_N_SIDE = 1 << HEALPIX_ORDER


def healpix29(ra_deg: Column, dec_deg: Column) -> Column:
    """HEALPix cell of order 29, NESTED, of ICRS positions in degrees.

    Equations of Górski et al. 2005 (ApJ 622, 759), section 5: along the two diagonals of the base
    cells, towards north-east and north-west, a position is 0 to 2^29 steps from the south corner.

    Parameters
    ----------
    ra_deg
        0 to 360, degrees.
    dec_deg
        -90 to 90, degrees.
    """
    z = F.sin(F.radians(dec_deg))
    quadrants = ra_deg / 90.0
    in_belt = F.abs(z) <= 2.0 / 3.0
    return F.when(in_belt, _belt(quadrants, z)).otherwise(_cap(quadrants, z, dec_deg))


def _belt(quadrants: Column, z: Column) -> Column:
    """Cell of a position where abs(sin dec) is at most 2/3."""
    east = F.floor(_N_SIDE * (0.5 + quadrants) + _N_SIDE * 0.75 * z)
    west = F.floor(_N_SIDE * 0.75 * z - _N_SIDE * (0.5 + quadrants))
    to_east, to_west = (F.shiftright(steps, HEALPIX_ORDER) for steps in (east, -west - 1))
    base = (
        F.when(to_east == to_west, to_east % 4 + 4)
        .when(to_west < to_east, to_west)
        .otherwise(to_east + 8)
    )
    return _cell(base, *(steps.bitwiseAND(F.lit(_N_SIDE - 1)) for steps in (east, west)))


def _cap(quadrants: Column, z: Column, dec_deg: Column) -> Column:
    """Cell of a position near a pole."""
    quadrant = F.least(F.floor(quadrants), F.lit(3))
    part = quadrants - quadrant
    # nside · sqrt(3 (1 - abs(z))), which would lose digits near the pole.
    from_pole = _N_SIDE * F.cos(F.radians(dec_deg)) * F.sqrt(3.0 / (1.0 + F.abs(z)))
    east, west = (
        F.least(F.floor(share * from_pole), F.lit(_N_SIDE - 1)) for share in (part, 1.0 - part)
    )
    north = _cell(quadrant, _N_SIDE - 1 - west, _N_SIDE - 1 - east)
    south = _cell(quadrant + 8, east, west)
    return F.when(z >= 0, north).otherwise(south)


def _cell(base: Column, x: Column, y: Column) -> Column:
    parts = (F.shiftleft(base.cast("long"), 2 * HEALPIX_ORDER), _spread(x), 2 * _spread(y))
    return reduce(Column.__add__, parts)


def _spread(bits: Column) -> Column:
    """Put a zero between neighbouring bits: binary digits, read as a number of base 4."""
    return F.conv(F.bin(bits), 4, 10).cast("long")
