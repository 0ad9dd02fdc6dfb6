"""Core-collapse and superluminous supernovae.

Fractions and peak magnitudes follow Li et al. (2011), Richardson et al. (2014) and the Bright
Transient Survey (Perley et al. 2020); plateau lengths and slopes Anderson et al. (2014), rise times
of stripped envelopes Taddia et al. (2018), superluminous ones De Cia et al. (2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.populations.base import Realised, Sources, Truth, everywhere
from broker.simulator.synthetic.populations.cosmology import distance_modulus, redshift
from broker.simulator.synthetic.populations.hosts import host_galaxy
from broker.simulator.synthetic.populations.rise_and_decline import Shape, explosion_flux


@dataclass(frozen=True)
class _Kind:
    """Mean and spread of what a subclass looks like, in the order of :class:`Shape`."""

    name: str
    weight: float
    peak_r: tuple[float, float]
    rise: tuple[float, float]
    first_slope: tuple[float, float]
    turn: tuple[float, float]
    drop: tuple[float, float]
    last_slope: tuple[float, float]
    colours: tuple[float, float]
    cooling: float


_KINDS = (
    _Kind("IIP", 0.50, (-17.1, 0.9), (15, 5), (0.006, 0.005), (90, 12), (1.9, 0.4), (0.0098, 0.001),
          (-0.15, 1.10), 38.0),
    _Kind("IIL", 0.10, (-17.6, 0.7), (13, 4), (0.024, 0.006), (75, 10), (0.9, 0.4), (0.011, 0.002),
          (-0.15, 0.95), 42.0),
    _Kind("IIn", 0.10, (-18.6, 0.9), (24, 9), (0.013, 0.006), (60, 20), (0.0, 0.1), (0.011, 0.004),
          (-0.05, 0.45), 60.0),
    _Kind("IIb", 0.09, (-17.0, 0.6), (20, 3), (0.062, 0.012), (28, 4), (0.0, 0.1), (0.019, 0.003),
          (0.00, 1.15), 20.0),
    _Kind("Ib", 0.08, (-17.2, 0.7), (20, 4), (0.055, 0.012), (28, 5), (0.0, 0.1), (0.018, 0.003),
          (0.05, 1.15), 19.0),
    _Kind("Ic", 0.09, (-17.4, 0.7), (17, 4), (0.060, 0.014), (28, 5), (0.0, 0.1), (0.019, 0.003),
          (0.10, 1.20), 17.0),
    _Kind("Ic-BL", 0.04, (-18.6, 0.6), (14, 3), (0.065, 0.012), (26, 4), (0.0, 0.1), (0.020, 0.003),
          (0.05, 1.05), 17.0),
)  # fmt: skip
_SUPERLUMINOUS = (
    _Kind("SLSN-I", 0.7, (-21.5, 0.6), (35, 9), (0.020, 0.008), (70, 20), (0.0, 0.1),
          (0.017, 0.005), (-0.38, 0.70), 65.0),
    _Kind("SLSN-II", 0.3, (-20.9, 0.5), (45, 14), (0.014, 0.006), (90, 30), (0.0, 0.1),
          (0.012, 0.004), (-0.22, 0.50), 90.0),
)  # fmt: skip


class CoreCollapse:
    """Supernovae of massive stars out to z = 0.12."""

    name = "core_collapse"
    share = 0.007
    ends = True
    moves = False
    real = True
    density = staticmethod(everywhere)

    def realise(self, sources: Sources) -> Realised:
        """Draw subclass, redshift and shape."""
        return _explode(sources, _KINDS, farthest=0.12, oldest_days=160.0, host=(-19.9, 1.3))


class Superluminous:
    """Superluminous supernovae out to z = 0.5, in small galaxies."""

    name = "slsn"
    share = 0.0006
    ends = True
    moves = False
    real = True
    density = staticmethod(everywhere)

    def realise(self, sources: Sources) -> Realised:
        """Draw subclass, redshift and shape."""
        return _explode(sources, _SUPERLUMINOUS, farthest=0.5, oldest_days=180.0, host=(-17.6, 1.5))


def _explode(
    sources: Sources,
    kinds: tuple[_Kind, ...],
    farthest: float,
    oldest_days: float,
    host: tuple[float, float],
) -> Realised:
    draws = sources.draws
    kind = draws.choice("kind", tuple(each.weight for each in kinds))
    z = redshift(draws, farthest)
    shape = _shape(draws, kinds, kind)
    phase = draws.between("phase", -oldest_days, 1.0) + shape.rise_days * draws.uniform("young")
    peak_mjd = sources.mjd[:, 0] + phase * (1.0 + z)
    absolute = _drawn(draws, "peak", kinds, kind, "peak_r")
    dust = draws.exponential("dust", 0.15)
    peak_r = absolute + dust + distance_modulus(z) - 2.5 * np.log10(1.0 + z) + sources.extinction_r
    redder = 0.4 * (dust + sources.extinction_r)

    def difference(mjd: Floats, fid: Ints) -> Floats:
        flux = explosion_flux(shape, peak_r, peak_mjd, z, mjd, fid)
        return np.asarray(flux * np.where(fid == 1, 10.0 ** (-0.4 * redder[:, None]), 1.0))

    return Realised(
        difference,
        host_galaxy(draws, z, sources.extinction_r, *host),
        Truth(tuple(kinds[number].name for number in kind), redshift=z, peak_mjd=peak_mjd),
    )


def _shape(draws: Draws, kinds: tuple[_Kind, ...], kind: Ints) -> Shape:
    colours = np.array([each.colours for each in kinds])[kind]
    redder = 0.12 * draws.normal("colour")
    return Shape(
        rise_days=np.maximum(_drawn(draws, "rise", kinds, kind, "rise"), 5.0),
        first_slope=np.maximum(_drawn(draws, "slope", kinds, kind, "first_slope"), 0.0005),
        turn_days=np.maximum(_drawn(draws, "turn", kinds, kind, "turn"), 10.0),
        drop_mag=np.maximum(_drawn(draws, "drop", kinds, kind, "drop"), 0.0),
        drop_days=draws.between("drop_days", 3.0, 7.0),
        last_slope=np.maximum(_drawn(draws, "tail", kinds, kind, "last_slope"), 0.004),
        colour_early=colours[:, 0] + redder,
        colour_late=colours[:, 1] + redder,
        cooling_days=np.array([each.cooling for each in kinds])[kind],
    )


def _drawn(draws: Draws, name: str, kinds: tuple[_Kind, ...], kind: Ints, attribute: str) -> Floats:
    mean, spread = np.array([getattr(each, attribute) for each in kinds])[kind].T
    return np.asarray(mean + spread * np.clip(draws.normal(name), -2.5, 2.5))
