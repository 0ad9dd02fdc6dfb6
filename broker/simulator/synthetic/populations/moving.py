"""Asteroids: at a place for one exposure, so each alert is an object of its own.

Numbers grow as 10^(0.4 m) to the limit (Gladman et al. 2009 find 0.3 to 0.5); known ones dominate
down to V = 20, beyond which the unknown take over.
"""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Floats, Ints
from broker.simulator.synthetic.populations.base import (
    Population,
    Realised,
    Sources,
    Truth,
    ecliptic,
    nothing,
)


class _Asteroid:
    ends = True
    moves = True
    real = True
    density = staticmethod(ecliptic)
    brightest, faintest, slope = 15.0, 20.9, 0.40

    def realise(self, sources: Sources) -> Realised:
        """Draw magnitude, colour and rotation."""
        draws = sources.draws
        r = draws.power_of_ten("mag", self.brightest, self.faintest, self.slope)
        colour = np.where(draws.uniform("taxon") < 0.5, 0.45, 0.62) + 0.04 * draws.normal("colour")
        period = 10.0 ** draws.between("rotation", -1.0, 0.0)
        amplitude = np.minimum(draws.exponential("elongation", 0.12), 0.8)

        def difference(mjd: Floats, fid: Ints) -> Floats:
            turn = (mjd - 58000.0) / period[:, None] + draws.uniform("turn")[:, None]
            mean = r[:, None] + np.where(fid == 1, colour[:, None], 0.0)
            return flux_njy(mean + 0.5 * amplitude[:, None] * np.cos(4.0 * np.pi * turn))

        truth = Truth(("asteroid",) * len(r), period_days=period, amplitude_mag=amplitude)
        return Realised(difference, nothing(draws), truth)


class KnownAsteroid(_Asteroid):
    """Asteroids whose position was predicted."""

    name = "asteroid_known"
    share = 0.21


class NewAsteroid(_Asteroid):
    """Asteroids that nobody knows yet: faint, some of them near the Earth."""

    name = "asteroid_new"
    share = 0.02
    brightest, faintest, slope = 18.0, 21.0, 0.55


def is_known(population: Population) -> bool:
    """Whether alerts of a population match a predicted position."""
    return isinstance(population, KnownAsteroid)


def motion_arcsec_per_hour(rank: Floats, known: bool) -> Floats:
    """Speed on the sky: about 30 for the main belt, faster for some unknown ones."""
    belt = 22.0 + 20.0 * rank
    return belt if known else np.where(rank > 0.8, 60.0 + 600.0 * (rank - 0.8), belt)
