"""Bogus detections: subtraction residuals, cosmic rays and hot pixels, reflections."""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints
from broker.simulator.synthetic.populations.base import (
    Counterpart,
    Realised,
    Sources,
    Truth,
    nothing,
    star,
)

RESIDUAL, SPIKE, GHOST = 0, 1, 2
KINDS = ("residual", "spike", "ghost")


def kind_of(draws: Draws) -> Ints:
    """Which of :data:`KINDS` an artefact is."""
    return draws.choice("artefact", (0.70, 0.20, 0.10))


class Artefact:
    """Image artefacts, which real-bogus classifiers must reject."""

    name = "bogus"
    share = 0.2246
    ends = False
    moves = False
    real = False

    def density(self, gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
        """Follows the bright stars, with a floor for detector effects."""
        del gal_lon, ecl_lat
        return np.asarray(0.4 + 2.0 * np.exp(-np.abs(gal_lat) / 10.0))

    def realise(self, sources: Sources) -> Realised:
        """Residuals recur on bright stars and galaxies; the others happen once."""
        draws = sources.draws
        kind = kind_of(draws)
        galaxy = _on_galaxy(draws)
        bright_r = draws.power_of_ten("star", 11.5, 16.8, 0.25) + np.where(galaxy, 1.5, 0.0)
        bright_g = bright_r + draws.gaussian("star_colour", 0.7, 0.3)
        recurs = np.where(galaxy, 0.1, 0.35) * draws.uniform("recurs") ** 2
        alone = sources.mjd[:, 0] + np.where(draws.uniform("visit") < 0.5, 0.0, 1.0) * (
            sources.mjd[:, 1] - sources.mjd[:, 0]
        )
        single = flux_njy(draws.power_of_ten("single", 16.0, 20.3, 0.2))

        def difference(mjd: Floats, fid: Ints) -> Floats:
            instant = np.round(mjd * 1e5).astype(np.int64)
            tonight = mjd >= sources.mjd[:, :1] - 0.01
            happens = draws.uniform("happens", instant) < np.where(tonight, 0.7, recurs[:, None])
            under = flux_njy(np.where(fid == 1, bright_g[:, None], bright_r[:, None]))
            part = 0.035 * (0.5 + draws.uniform("part", instant)) ** 2
            sign = np.where(draws.uniform("sign", instant) < 0.55, 1.0, -1.0)
            residual = np.where(happens, sign * part * under, 0.0)
            once = np.where(np.abs(mjd - alone[:, None]) < 1e-4, single[:, None], 0.0)
            return np.where(kind[:, None] == RESIDUAL, residual, once)

        subclass = tuple(KINDS[number] for number in kind)
        return Realised(
            difference,
            _beneath(draws, kind, bright_g, bright_r),
            Truth(subclass),
        )


def _on_galaxy(draws: Draws) -> Bools:
    """Whether a residual lies on a galaxy's core instead of a star."""
    return draws.uniform("galaxy") < 0.25


def _beneath(draws: Draws, kind: Ints, bright_g: Floats, bright_r: Floats) -> Counterpart:
    under, empty = star(bright_g, bright_r, draws), nothing(draws)
    residual, galaxy = kind == RESIDUAL, _on_galaxy(draws)
    return Counterpart(
        np.where(residual, under.g, empty.g),
        np.where(residual, under.r, empty.r),
        np.where(residual, 0.1 + 0.9 * draws.uniform("astray"), 0.0),
        np.where(residual, np.where(galaxy, 1.0 - under.stellarity, under.stellarity), 0.0),
        np.where(residual & galaxy, draws.between("radius", 1.0, 4.0), 0.0),
    )
