"""Distances of a flat ΛCDM universe (H0 = 70 km/s/Mpc, Ωm = 0.3) for z < 3."""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.draws import Draws, Floats

_Z = np.linspace(0.0, 3.0, 3001)
_INVERSE_E = 1.0 / np.sqrt(0.3 * (1.0 + _Z) ** 3 + 0.7)
_STEP = _Z[1] - _Z[0]
_COMOVING_MPC = (
    299_792.458
    / 70.0
    * np.concatenate([[0.0], np.cumsum(0.5 * _STEP * (_INVERSE_E[1:] + _INVERSE_E[:-1]))])
)


def distance_modulus(z: Floats) -> Floats:
    """Difference of apparent and absolute magnitude without K correction."""
    luminosity_mpc = np.interp(z, _Z, _COMOVING_MPC) * (1.0 + z)
    return np.asarray(5.0 * np.log10(np.maximum(luminosity_mpc, 1e-3)) + 25.0)


def kpc_per_arcsec(z: Floats) -> Floats:
    """Transverse size of an arcsecond."""
    transverse_mpc = np.interp(z, _Z, _COMOVING_MPC) / (1.0 + z)
    return np.asarray(1000.0 * transverse_mpc * np.radians(1.0 / 3600.0))


def redshift(draws: Draws, farthest: float) -> Floats:
    """Redshifts of sources spread evenly in volume and time out to a redshift."""
    volume = _COMOVING_MPC**2 * _INVERSE_E / (1.0 + _Z)
    cumulative = np.cumsum(np.where(farthest >= _Z, volume, 0.0))
    drawn = np.interp(draws.uniform("redshift") * cumulative[-1], cumulative, _Z)
    return np.asarray(np.maximum(drawn, 0.003))
