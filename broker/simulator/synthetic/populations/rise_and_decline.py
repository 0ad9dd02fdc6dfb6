"""One analytic shape for explosions: a smooth rise, one or two linear declines, a cooling colour.

The form follows Villar et al. (2019), rise, plateau and exponential tail, written in magnitudes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Floats, Ints

_SOFTENING_DAYS = 6.0


@dataclass(frozen=True)
class Shape:
    """Parameters in the rest frame; arrays of shape (K,).

    ``first_slope`` (mag/day) holds until ``turn_days`` after maximum, where ``drop_mag`` are lost
    within about ``drop_days``, and ``last_slope`` from then on. g − r goes from ``colour_early``
    at the explosion to ``colour_late`` with the time constant ``cooling_days``.
    """

    rise_days: Floats
    first_slope: Floats
    turn_days: Floats
    drop_mag: Floats
    drop_days: Floats
    last_slope: Floats
    colour_early: Floats
    colour_late: Floats
    cooling_days: Floats

    def dimming_r(self, days: Floats) -> Floats:
        """Magnitudes below the r maximum, days after it; shape (K, E)."""
        after = np.maximum(days, 0.0)
        turn = self.turn_days[:, None]
        first = np.minimum(after, turn)
        soft = np.sqrt(first**2 + _SOFTENING_DAYS**2) - _SOFTENING_DAYS
        drop = self.drop_mag[:, None] / (
            1.0 + np.exp(np.clip((turn - after) / self.drop_days[:, None], -50.0, 50.0))
        )
        last = self.last_slope[:, None] * np.maximum(after - turn, 0.0)
        return np.asarray(self.first_slope[:, None] * soft + drop + last)

    def colour(self, days: Floats) -> Floats:
        """Colour g − r, mag."""
        age = np.maximum(days + self.rise_days[:, None], 0.0)
        cooled = 1.0 - np.exp(-age / self.cooling_days[:, None])
        early, late = self.colour_early[:, None], self.colour_late[:, None]
        return np.asarray(early + (late - early) * cooled)

    def rise(self, days: Floats) -> Floats:
        """Part of the peak flux: ∝ t² after the explosion, flat at maximum, 1 afterwards."""
        age = np.clip(days / self.rise_days[:, None] + 1.0, 0.0, 1.0)
        return np.asarray(np.sin(0.5 * np.pi * age) ** 2)


def explosion_flux(
    shape: Shape, peak_r: Floats, peak_mjd: Floats, z: Floats, mjd: Floats, fid: Ints
) -> Floats:
    """Flux of shape (K, E) in nJy; ``peak_r`` is the apparent AB magnitude at maximum."""
    days = (mjd - peak_mjd[:, None]) / (1.0 + z[:, None])
    colour = np.where(fid == 1, shape.colour(days), 0.0)
    mag = peak_r[:, None] + shape.dimming_r(days) + colour
    return np.asarray(flux_njy(mag) * shape.rise(days))
