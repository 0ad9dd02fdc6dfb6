"""Interface of a population of sources: its places, appearance and light curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy, magnitude
from broker.simulator.synthetic.draws import Draws, Floats, Ints

# Difference or total flux in nJy at times (MJD) in bands (fid); all of shape (K, E).
LightCurve = Callable[[Floats, Ints], Floats]
# Relative density of a population at Galactic longitude, latitude and ecliptic latitude, degrees.
Density = Callable[[Floats, Floats, Floats], Floats]

_REFERENCE_EPOCHS = 8


@dataclass(frozen=True)
class Sources:
    """Places and times that a population may fill; arrays of shape (K,) if not said otherwise.

    Attributes
    ----------
    draws
        Random numbers of each object.
    extinction_r
        Milky Way extinction in r, mag.
    gal_lat
        Degrees.
    mjd
        Tonight's visits of the object's field, shape (K, 2).
    reference_mjd
        First and last exposure of the reference image, shape (K, 2).
    """

    draws: Draws
    extinction_r: Floats
    gal_lat: Floats
    mjd: Floats
    reference_mjd: Floats


@dataclass(frozen=True)
class Counterpart:
    """Source in catalogues and the reference image at or near the position; shape (K,).

    ``g``, ``r`` are AB magnitudes, nan where there is nothing; ``stellarity`` is 1 for a star;
    ``radius_arcsec`` is the scale length of a galaxy, 0 for a star.
    """

    g: Floats
    r: Floats
    offset_arcsec: Floats
    stellarity: Floats
    radius_arcsec: Floats

    def flux(self, fid: Ints) -> Floats:
        """Flux in the reference image in bands of shape (K, E), nJy; 0 where there is nothing."""
        mag = np.where(fid == 1, self.g[:, None], self.r[:, None])
        return np.nan_to_num(flux_njy(mag))


@dataclass(frozen=True)
class Truth:
    """True properties of simulated sources; nan or "" where the class has none."""

    subclass: tuple[str, ...] = ()
    redshift: Floats | None = None
    peak_mjd: Floats | None = None
    period_days: Floats | None = None
    amplitude_mag: Floats | None = None


@dataclass(frozen=True)
class Realised:
    """A population's light: the difference flux and what lies beneath."""

    difference: LightCurve
    counterpart: Counterpart
    truth: Truth = field(default_factory=Truth)


class Population(Protocol):
    """A kind of source.

    Attributes
    ----------
    name
        Class in the truth table.
    share
        Part of a night's alerts.
    ends
        Its light is zero before a beginning less than 500 days ago.
    moves
        It is at its place during one exposure only.
    real
        False for artefacts of the detector or the subtraction.
    """

    name: str
    share: float
    ends: bool
    moves: bool
    real: bool

    def density(self, gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
        """Relative number on the sky."""

    def realise(self, sources: Sources) -> Realised:
        """Give each source its parameters and its light curve."""


def star(g: Floats, r: Floats, draws: Draws) -> Counterpart:
    """A star at the position of the source: the difference is its own variation."""
    offset = 0.14 * np.hypot(draws.normal("offset_x"), draws.normal("offset_y"))
    stellarity = 1.0 - 0.02 * draws.exponential("stellarity")
    return Counterpart(g, r, offset, np.clip(stellarity, 0.0, 1.0), np.zeros_like(g))


def nothing(draws: Draws) -> Counterpart:
    """Empty sky."""
    empty = np.full(draws.keys.shape, np.nan)
    zero = np.zeros(draws.keys.shape)
    return Counterpart(empty, empty, zero, zero, zero)


def against_reference(total: LightCurve, sources: Sources) -> tuple[LightCurve, Counterpart]:
    """Subtract the mean over the reference image's exposures; the star is what was subtracted."""
    steps = np.linspace(0.0, 1.0, _REFERENCE_EPOCHS)
    first, last = sources.reference_mjd[:, :1], sources.reference_mjd[:, 1:]
    # Whole days apart would meet short periods at the same phase.
    mjd = first + (last - first) * steps + 0.137 * np.arange(_REFERENCE_EPOCHS)
    g_mean, r_mean = (total(mjd, np.full(mjd.shape, fid)).mean(axis=1) for fid in (1, 2))
    counterpart = star(magnitude(g_mean), magnitude(r_mean), sources.draws)

    def difference(at: Floats, fid: Ints) -> Floats:
        mean = np.where(fid == 1, g_mean[:, None], r_mean[:, None])
        return np.asarray(total(at, fid) - mean)

    return difference, counterpart


def with_shape(counterpart: Counterpart, stellarity: Floats, radius_arcsec: Floats) -> Counterpart:
    """Counterpart of the same brightness with another shape."""
    return replace(counterpart, stellarity=stellarity, radius_arcsec=radius_arcsec)


def everywhere(gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
    """Isotropic beyond the Galaxy, seen through its dust (numbers go as 10^(0.6 m))."""
    del gal_lon, ecl_lat
    dust = 0.10 / np.maximum(np.sin(np.radians(np.abs(gal_lat))), 0.01)
    return np.asarray(10.0 ** (-0.6 * dust))


def thin_disc(gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
    """Young and common stars: a layer of a few degrees, denser towards the centre."""
    del ecl_lat
    towards_centre = 1.0 + 1.5 * np.maximum(np.cos(np.radians(gal_lon)), 0.0)
    return np.asarray(towards_centre * np.exp(-np.abs(gal_lat) / 10.0) + 0.03)


def thick_disc(gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
    """Old stars: a thicker layer and the halo."""
    del ecl_lat
    towards_centre = 1.0 + np.maximum(np.cos(np.radians(gal_lon)), 0.0)
    return np.asarray(towards_centre * np.exp(-np.abs(gal_lat) / 20.0) + 0.2)


def ecliptic(gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
    """The main belt's spread of inclinations."""
    del gal_lon, gal_lat
    return np.asarray(np.exp(-0.5 * (ecl_lat / 9.0) ** 2) + 0.01)
