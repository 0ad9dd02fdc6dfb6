"""Transients and variables in the centres of galaxies: active nuclei, tidal disruptions.

Active nuclei vary as a damped random walk (Kelly, Bechtold & Siemiginowska 2009) with amplitudes
and times after MacLeod et al. (2010). The walk is drawn in Fourier space (Timmer & König 1995), so
its value at a time needs no other time. Disruptions decline as t^(-5/3) and stay blue, with the
luminosities of van Velzen et al. (2021).
"""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.populations.base import (
    LightCurve,
    Realised,
    Sources,
    Truth,
    against_reference,
    everywhere,
    thin_disc,
    with_shape,
)
from broker.simulator.synthetic.populations.cosmology import distance_modulus, redshift
from broker.simulator.synthetic.populations.hosts import host_galaxy

_WAVES = 40
_LONGEST_DAYS, _SHORTEST_DAYS = 6000.0, 1.5


def random_walk(draws: Draws, sigma_mag: Floats, tau_days: Floats) -> LightCurve:
    """Damped random walk in magnitudes, the same in all bands; zero mean, variance σ².

    Power per frequency 4σ²τ / (1 + (2πfτ)²), cut into logarithmic intervals with a wave in each.
    """
    edges = np.geomspace(1.0 / _LONGEST_DAYS, 1.0 / _SHORTEST_DAYS, _WAVES + 1)
    number = np.broadcast_to(np.arange(_WAVES), (len(sigma_mag), _WAVES))
    place = draws.uniform("wave_place", number)
    frequency = edges[:-1] * (edges[1:] / edges[:-1]) ** place
    cumulative = 2.0 / np.pi * np.arctan(2.0 * np.pi * edges[None, :] * tau_days[:, None])
    variance = sigma_mag[:, None] ** 2 * np.diff(cumulative, axis=1)
    # The longest wave takes what is slower than the window.
    variance[:, 0] += sigma_mag**2 * cumulative[:, 0]
    height = np.sqrt(-2.0 * np.log(draws.uniform("wave_height", number)) * variance)
    phase = draws.uniform("wave_phase", number)

    def walk(mjd: Floats, fid: Ints) -> Floats:
        del fid
        total = np.zeros(mjd.shape)
        for wave in range(_WAVES):
            angle = frequency[:, wave, None] * (mjd - 58000.0) + phase[:, wave, None]
            total += height[:, wave, None] * np.cos(2.0 * np.pi * angle)
        return total

    return walk


class ActiveNucleus:
    """Quasars and Seyfert nuclei."""

    name = "agn"
    share = 0.085
    ends = False
    moves = False
    real = True
    density = staticmethod(everywhere)

    def realise(self, sources: Sources) -> Realised:
        """Draw magnitude, redshift, amplitude and time scale."""
        draws = sources.draws
        r = draws.power_of_ten("mag", 15.5, 20.6, 0.5) + 0.3 * sources.extinction_r
        z = np.where(r < 18.0, draws.between("z", 0.03, 0.6), draws.between("z", 0.1, 2.4))
        colour = np.where(z < 0.25, 0.45, 0.2) + 0.12 * draws.normal("colour")
        sigma = 0.14 * np.exp(0.45 * draws.normal("sigma"))
        walk = random_walk(draws, sigma, 250.0 * np.exp(0.7 * draws.normal("tau")))

        def total(mjd: Floats, fid: Ints) -> Floats:
            mean = np.where(fid == 1, (r + colour)[:, None], r[:, None])
            stronger_in_blue = np.where(fid == 1, 1.15, 0.92)
            return flux_njy(mean + stronger_in_blue * walk(mjd, fid))

        difference, nucleus = against_reference(total, sources)
        looks = np.clip(z / 0.5 + 0.2 * draws.normal("looks"), 0.01, 0.97)
        counterpart = with_shape(nucleus, looks, np.where(z < 0.3, 1.5, 0.0))
        subclass = tuple("Seyfert" if near else "QSO" for near in z < 0.25)
        return Realised(
            difference, counterpart, Truth(subclass, redshift=z, amplitude_mag=2.0 * sigma)
        )


class TidalDisruption:
    """Stars torn apart by quiet black holes, out to z = 0.25."""

    name = "tde"
    share = 0.0006
    ends = True
    moves = False
    real = True
    density = staticmethod(everywhere)

    def realise(self, sources: Sources) -> Realised:
        """Draw redshift, luminosity and fallback time."""
        draws = sources.draws
        z = redshift(draws, 0.25)
        absolute = draws.gaussian("peak", -19.3, 0.8)
        peak_r = absolute + distance_modulus(z) + sources.extinction_r
        peak_mjd = sources.mjd[:, 0] + draws.between("phase", -220.0, 25.0) * (1.0 + z)
        rise_days, fallback_days = draws.between("rise", 18, 40), draws.between("fallback", 35, 90)
        colour = draws.gaussian("colour", -0.20, 0.08) + 0.4 * sources.extinction_r

        def difference(mjd: Floats, fid: Ints) -> Floats:
            days = (mjd - peak_mjd[:, None]) / (1.0 + z[:, None])
            age = np.clip(days / rise_days[:, None] + 1.0, 0.0, 1.0)
            decline = (1.0 + np.maximum(days, 0.0) / fallback_days[:, None]) ** (-5.0 / 3.0)
            mag = np.where(fid == 1, (peak_r + colour)[:, None], peak_r[:, None])
            return np.asarray(flux_njy(mag) * np.sin(0.5 * np.pi * age) ** 2 * decline)

        host = host_galaxy(draws, z, sources.extinction_r, -20.0, 0.8, nuclear=True)
        return Realised(difference, host, Truth(("TDE",) * len(z), redshift=z, peak_mjd=peak_mjd))


class YoungStar:
    """Young stars: fast, strong random variations near the Galactic plane."""

    name = "young_star"
    share = 0.025
    ends = False
    moves = False
    real = True
    density = staticmethod(thin_disc)

    def realise(self, sources: Sources) -> Realised:
        """Draw magnitude, amplitude and time scale."""
        draws = sources.draws
        r = draws.power_of_ten("mag", 14.0, 19.5, 0.25)
        colour = draws.gaussian("colour", 1.3, 0.25, 0.7, 2.2)
        sigma = 0.17 * np.exp(0.5 * draws.normal("sigma"))
        walk = random_walk(draws, sigma, 12.0 * np.exp(0.8 * draws.normal("tau")))

        def total(mjd: Floats, fid: Ints) -> Floats:
            mean = np.where(fid == 1, (r + colour)[:, None], r[:, None])
            return flux_njy(mean + np.where(fid == 1, 1.3, 1.0) * walk(mjd, fid))

        difference, counterpart = against_reference(total, sources)
        return Realised(
            difference, counterpart, Truth(("YSO",) * len(r), amplitude_mag=2.0 * sigma)
        )
