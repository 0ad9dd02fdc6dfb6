"""Type Ia supernovae: a light-curve template per band, stretched and reddened.

The shapes are hand-set knots that follow the B, V, R, I templates of normal events (Leibundgut
1988; Nugent, Kim & Perlmutter 2002) with the second maximum of the red bands; peak magnitude
follows width and colour as in Tripp (1998) with the SALT2 parameters of Betoule et al. (2014).
An observer's band is the interpolation of the rest-frame bands at λ/(1 + z).
"""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Floats, Ints
from broker.simulator.synthetic.populations.base import Realised, Sources, Truth, everywhere
from broker.simulator.synthetic.populations.cosmology import distance_modulus, redshift
from broker.simulator.synthetic.populations.hosts import host_galaxy

_REST_NM = np.array([440.0, 550.0, 640.0, 790.0])
_OBSERVED_NM = {1: 478.0, 2: 642.0}
_PHASES = np.array(
    [-10, -7, -5, -3, 0, 3, 5, 7, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 80, 100, 130, 200.0]
)
# fmt: off
_DIMMING = np.array([  # magnitudes below each band's maximum at the phases above
    [.95, .45, .22, .08, .00, .05, .13, .25, .50, .73, 1.10, 1.70, 2.15, 2.48, 2.70, 2.84, 3.01,
     3.16, 3.45, 3.74, 4.20, 5.20],
    [.95, .48, .27, .13, .02, .01, .04, .09, .21, .31, .50, .80, 1.10, 1.42, 1.72, 1.92, 2.20,
     2.45, 2.95, 3.45, 4.20, 5.80],
    [.95, .50, .28, .14, .03, .01, .05, .12, .28, .42, .58, .68, .74, .90, 1.15, 1.40, 1.80,
     2.15, 2.85, 3.55, 4.50, 6.30],
    [.95, .50, .28, .14, .05, .08, .15, .25, .45, .58, .68, .62, .52, .58, .80, 1.08, 1.55,
     2.00, 2.80, 3.60, 4.70, 6.50],
])
# fmt: on
_PEAK_AB = np.array([-19.21, -19.17, -18.99, -18.50])
_COLOUR_LAW = np.array([3.1, 2.1, 1.5, 0.9])
_RISE_DAYS = 18.0
_GRID = np.arange(-_RISE_DAYS, 200.5, 0.5)


def _template() -> Floats:
    """Flux relative to the B maximum's zero magnitude, shape (band, phase grid)."""
    rows = []
    for peak, dimming in zip(_PEAK_AB, _DIMMING, strict=True):
        after = 10.0 ** (-0.4 * (np.interp(_GRID, _PHASES, dimming) + peak))
        start = 10.0 ** (-0.4 * (dimming[0] + peak))
        early = start * ((_GRID + _RISE_DAYS) / (_RISE_DAYS + _PHASES[0])) ** 2
        rows.append(np.where(_PHASES[0] > _GRID, early, after))
    return np.array(rows)


_TEMPLATE = _template()


class SupernovaIa:
    """Thermonuclear supernovae out to z = 0.16."""

    name = "sn_ia"
    share = 0.010
    ends = True
    moves = False
    real = True
    density = staticmethod(everywhere)

    def realise(self, sources: Sources) -> Realised:
        """Draw redshift, stretch, colour and the day of maximum."""
        draws = sources.draws
        z = redshift(draws, 0.16)
        x1 = draws.gaussian("stretch", -0.2, 1.0, -3.0, 2.5)
        colour = draws.gaussian("colour", -0.07, 0.07) + draws.exponential("dust", 0.09)
        peak_mjd = sources.mjd[:, 0] + draws.between("phase", -110.0, 19.0) * (1.0 + z)
        grey = -0.14 * x1 + 0.10 * draws.normal("scatter") + distance_modulus(z)
        grey = grey - 2.5 * np.log10(1.0 + z)

        def difference(mjd: Floats, fid: Ints) -> Floats:
            width = (1.0 + z[:, None]) * (0.98 + 0.09 * x1[:, None])
            phase = (mjd - peak_mjd[:, None]) / width
            rest = np.where(fid == 1, _OBSERVED_NM[1], _OBSERVED_NM[2]) / (1.0 + z[:, None])
            dust = sources.extinction_r[:, None] * np.where(fid == 1, 1.4, 1.0)
            dimming = (
                grey[:, None] + dust + np.interp(rest, _REST_NM, _COLOUR_LAW) * (colour[:, None])
            )
            return flux_njy(dimming) * _relative_flux(phase, rest)

        return Realised(
            difference,
            host_galaxy(draws, z, sources.extinction_r),
            Truth(("Ia",) * len(z), redshift=z, peak_mjd=peak_mjd),
        )


def _relative_flux(phase: Floats, rest_nm: Floats) -> Floats:
    """Interpolate the template in phase and, logarithmically, in wavelength."""
    position = np.clip((phase + _RISE_DAYS) / 0.5, 0.0, len(_GRID) - 1.001)
    left = position.astype(np.int64)
    part = position - left
    band = np.interp(rest_nm, _REST_NM, np.arange(4.0))
    blue = np.minimum(band.astype(np.int64), 2)
    redness = band - blue
    low = _TEMPLATE[blue, left] * (1.0 - part) + _TEMPLATE[blue, left + 1] * part
    high = _TEMPLATE[blue + 1, left] * (1.0 - part) + _TEMPLATE[blue + 1, left + 1] * part
    mixed = np.maximum(low, 1e-300) ** (1.0 - redness) * np.maximum(high, 1e-300) ** redness
    visible = (phase > -_RISE_DAYS) & (phase < _GRID[-1])
    return np.where(visible, mixed, 0.0)
