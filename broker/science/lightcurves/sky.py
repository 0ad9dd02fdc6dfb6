"""Galactic and ecliptic latitude from ICRS positions."""

from __future__ import annotations

import numpy as np

from broker.units import Floats

# North poles as ICRS unit vectors, as astropy 7 has them (Galactic: FK5 definition of Blaauw et
# al. 1960; ecliptic: barycentric mean ecliptic of J2000, IAU 2006). Tested against astropy.
_GALACTIC_POLE = np.array([-0.8676661375596585, -0.19807633727300056, 0.45598381368730206])
_ECLIPTIC_POLE = np.array([-1.020704472070512e-07, -0.3977769994440431, 0.9174821299149555])


def latitudes(ra_deg: Floats, dec_deg: Floats) -> tuple[Floats, Floats]:
    """Galactic and (barycentric mean, J2000) ecliptic latitude, degrees, each of shape (n,)."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    x, y, z = np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)
    return _latitude(x, y, z, _GALACTIC_POLE), _latitude(x, y, z, _ECLIPTIC_POLE)


def _latitude(x: Floats, y: Floats, z: Floats, pole: Floats) -> Floats:
    """Angle above the pole's equator; by arctan2, since arcsin loses digits near the poles."""
    height = x * pole[0] + y * pole[1] + z * pole[2]
    dx, dy, dz = x - height * pole[0], y - height * pole[1], z - height * pole[2]
    return np.asarray(np.degrees(np.arctan2(height, np.sqrt(dx * dx + dy * dy + dz * dz))))
