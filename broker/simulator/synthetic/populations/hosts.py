"""Galaxies that transients happen in."""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.draws import Draws, Floats
from broker.simulator.synthetic.populations.base import Counterpart
from broker.simulator.synthetic.populations.cosmology import distance_modulus, kpc_per_arcsec


def host_galaxy(
    draws: Draws,
    z: Floats,
    extinction_r: Floats,
    mean_mag: float = -20.3,
    spread_mag: float = 1.2,
    nuclear: bool = False,
) -> Counterpart:
    """Host galaxies at a redshift.

    Luminosity is Gaussian in magnitude (weighted by light, the Schechter function nearly is),
    size follows R ∝ L^0.3 (Shen et al. 2003), offsets from the nucleus are exponential with the
    size (Prieto, Stanek & Beacom 2008). Those fainter than 23 are in no catalogue: nan.
    """
    absolute = draws.gaussian("host_mag", mean_mag, spread_mag, -23.5, -14.0)
    r = absolute + distance_modulus(z) + extinction_r
    g = r + draws.gaussian("host_colour", 0.6, 0.15, 0.1, 1.1) + 0.4 * extinction_r
    size_kpc = 3.5 * 10.0 ** (-0.4 * 0.3 * (absolute + 20.5))
    radius = size_kpc / kpc_per_arcsec(z)
    offset = 0.08 * draws.exponential("nucleus") if nuclear else _offset(draws, radius)
    seen = r < 23.0
    stellarity = np.clip(0.02 * draws.exponential("stellarity") + _confusion(draws, r), 0.0, 1.0)
    nan = np.nan
    return Counterpart(
        np.where(seen, g, nan), np.where(seen, r, nan), offset, stellarity, np.clip(radius, 0.3, 12)
    )


def _offset(draws: Draws, radius_arcsec: Floats) -> Floats:
    return np.clip(0.9 * radius_arcsec * draws.exponential("host_offset"), 0.05, 25.0)


def _confusion(draws: Draws, r: Floats) -> Floats:
    """Faint galaxies look ever more like stars; the catalogue then says 0.5 or worse."""
    return np.clip((r - 20.0) / 3.0, 0.0, 1.0) * 0.6 * draws.uniform("confusion")
