"""Catalogue sources near each alert: Pan-STARRS, Gaia and the reference image.

Field sources are a Poisson process whose density falls with Galactic latitude as in the real
packets (nine Pan-STARRS sources within 30 arcsec in the median, two at the poles, a hundred in the
plane). The object's own counterpart competes with them for the place of the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.simulator.synthetic import sky
from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.observe import Observed

MISSING = -999.0
_NEIGHBOURS = 3
_RADIUS_ARCSEC = 30.0
_GAIA_RADIUS_ARCSEC = 90.0
_CATALOGUE_LIMIT_R = 22.3


@dataclass(frozen=True)
class Neighbours:
    """Nearest Pan-STARRS sources, nearest first; shape (K, 3), -999 beyond 30 arcsec.

    ``east``, ``north`` are offsets in arcsec.
    """

    distance: Floats
    east: Floats
    north: Floats
    g: Floats
    r: Floats
    i: Floats
    z: Floats
    stellarity: Floats
    identifier: Ints
    count: Ints


@dataclass(frozen=True)
class Gaia:
    """Nearest source of Gaia, any and brighter than 14; shape (K,), -999 for none."""

    distance: Floats
    mag: Floats
    distance_bright: Floats
    mag_bright: Floats


@dataclass(frozen=True)
class ReferenceSource:
    """Nearest source in the reference image; shape (K,), offsets in arcsec from the object."""

    east: Floats
    north: Floats
    g: Floats
    r: Floats
    is_galaxy: Floats


def density(gal_lat: Floats) -> Floats:
    """Pan-STARRS sources within 30 arcsec."""
    return 3.5 + 55.0 * np.exp(-np.abs(gal_lat) / 6.0)


def neighbours(observed: Observed) -> Neighbours:
    """The three nearest sources of the object's place."""
    draws, counterpart = observed.draws, observed.counterpart
    number = np.broadcast_to(np.arange(_NEIGHBOURS), (len(draws.keys), _NEIGHBOURS))
    expected = density(observed.places.gal_lat)
    areas = np.cumsum(-np.log(draws.uniform("neighbour", number)), axis=1)
    field_distance = _RADIUS_ARCSEC * np.sqrt(areas / expected[:, None])
    own_listed = np.nan_to_num(counterpart.r, nan=99.0) < _CATALOGUE_LIMIT_R
    own_distance = np.where(own_listed, counterpart.offset_arcsec, 1e3)
    distance = np.concatenate([own_distance[:, None], field_distance], axis=1)
    colours = _colours(draws, number)
    r = np.concatenate([counterpart.r[:, None], _field_magnitudes(draws, number)], axis=1)
    g_r = np.concatenate([(counterpart.g - counterpart.r)[:, None], colours], axis=1)
    looks = np.concatenate(
        [counterpart.stellarity[:, None], _field_looks(draws, number, observed.places.gal_lat)],
        axis=1,
    )
    angle = 2.0 * np.pi * draws.uniform("neighbour_angle", np.arange(4)[None, :] + number[:, :1])
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :_NEIGHBOURS]
    picked = [np.take_along_axis(x, nearest, axis=1) for x in (distance, angle, r, g_r, looks)]
    within = picked[0] <= _RADIUS_ARCSEC
    total = np.round(expected + np.sqrt(expected) * draws.normal("crowd")).astype(np.int64)
    return _listed(observed, picked, within, np.maximum(total, within.sum(axis=1)))


def gaia(observed: Observed) -> Gaia:
    """Nearest stars of Gaia."""
    draws, counterpart = observed.draws, observed.counterpart
    gal_lat = observed.places.gal_lat
    mag = counterpart.r - 0.1
    is_star = (np.nan_to_num(mag, nan=99.0) < 20.6) & (counterpart.stellarity > 0.5)
    own = np.where(is_star, counterpart.offset_arcsec + 0.03, 1e3)
    crowd = _GAIA_RADIUS_ARCSEC * np.sqrt(draws.exponential("gaia") / (2.0 * density(gal_lat)))
    field_mag = draws.power_of_ten("gaia_mag", 12.0, 20.7, 0.25)
    nearest = np.minimum(own, crowd)
    found = np.where(own < crowd, mag, field_mag)
    bright_crowd = 0.4 + 2.0 * np.exp(-np.abs(gal_lat) / 10.0)
    bright = _GAIA_RADIUS_ARCSEC * np.sqrt(draws.exponential("gaia_bright") / bright_crowd)
    own_bright = np.where(is_star & (mag < 14.0), own, 1e3)
    bright_mag = np.where(
        own_bright < bright, mag, draws.power_of_ten("gaia_bright_mag", 8.0, 14.0, 0.30)
    )
    bright = np.minimum(own_bright, bright)
    outside, outside_bright = nearest > _GAIA_RADIUS_ARCSEC, bright > _GAIA_RADIUS_ARCSEC
    return Gaia(
        np.where(outside, MISSING, nearest),
        np.where(outside, MISSING, found),
        np.where(outside_bright, MISSING, bright),
        np.where(outside_bright, MISSING, bright_mag),
    )


def reference_source(observed: Observed, near: Neighbours) -> ReferenceSource:
    """The counterpart where the reference image shows one, else the nearest in the field."""
    draws, counterpart = observed.draws, observed.counterpart
    own = np.isfinite(counterpart.r)
    angle = 2.0 * np.pi * draws.uniform("neighbour_angle", np.zeros((len(own), 1), np.int64))[:, 0]
    listed = (near.distance[:, 0] > 0.0) & (near.r[:, 0] > 0.0)
    wander = 9.0 * np.sqrt(draws.exponential("reference_far"))
    away = 2.0 * np.pi * draws.uniform("reference_angle")
    east = np.where(listed, near.east[:, 0], wander * np.cos(away))
    north = np.where(listed, near.north[:, 0], wander * np.sin(away))
    faint = 22.2 + 0.4 * draws.normal("reference_mag")
    r = np.where(listed, near.r[:, 0], faint)
    g = np.where(listed & (near.g[:, 0] > 0.0), near.g[:, 0], r + 0.7)
    return ReferenceSource(
        np.where(own, counterpart.offset_arcsec * np.cos(angle), east),
        np.where(own, counterpart.offset_arcsec * np.sin(angle), north),
        np.where(own, counterpart.g, g),
        np.where(own, counterpart.r, r),
        np.where(own, counterpart.radius_arcsec > 0.0, draws.uniform("reference_look") < 0.5),
    )


def _field_magnitudes(draws: Draws, number: Ints) -> Floats:
    """Counts that grow as 10^(0.18 m) to the catalogue's limit."""
    low, high = 10.0 ** (0.18 * 14.0), 10.0 ** (0.18 * 22.4)
    drawn = draws.uniform("neighbour_mag", number)
    return np.asarray(np.log10(low + (high - low) * drawn) / 0.18)


def _colours(draws: Draws, number: Ints) -> Floats:
    return np.clip(0.8 + 0.4 * draws.normal("neighbour_colour", number), -0.3, 1.8)


def _field_looks(draws: Draws, number: Ints, gal_lat: Floats) -> Floats:
    """Stars near 1, galaxies near 0, and exactly 0.5 for those without a verdict."""
    stars = 0.35 + 0.6 * np.exp(-np.abs(gal_lat) / 15.0)
    is_star = draws.uniform("neighbour_star", number) < stars[:, None]
    blur = np.clip(-0.09 * np.log(draws.uniform("neighbour_blur", number)), 0.0, 0.5)
    unsure = draws.uniform("neighbour_unsure", number) < 0.25
    return np.where(unsure, 0.5, np.where(is_star, 1.0 - blur, blur))


def _listed(
    observed: Observed, picked: list[Floats], within: np.ndarray, count: Ints
) -> Neighbours:
    distance, angle, r, g_r, looks = picked
    east, north = distance * np.cos(angle), distance * np.sin(angle)
    draws = observed.draws
    number = np.broadcast_to(np.arange(_NEIGHBOURS), distance.shape)
    faint = np.clip((r - 19.5) / 3.0, 0.0, 1.0)

    def band(name: str, values: Floats, often: float) -> Floats:
        lost = draws.uniform(name, number) < often * (0.15 + faint)
        return np.where(within & ~lost, np.round(values, 4), MISSING)

    return Neighbours(
        np.where(within, distance, MISSING),
        np.where(within, east, MISSING),
        np.where(within, north, MISSING),
        band("lost_g", r + g_r, 0.55),
        band("lost_r", r, 0.25),
        band("lost_i", r - 0.5 * g_r, 0.12),
        band("lost_z", r - 0.75 * g_r, 0.2),
        np.where(within, np.round(looks, 6), MISSING),
        np.where(within, _identifiers(observed, east, north), -999),
        count,
    )


def _identifiers(observed: Observed, east: Floats, north: Floats) -> Ints:
    """Pan-STARRS numbers: zone of declination, microdegrees of right ascension, the rest."""
    near = np.abs(east) < 100.0
    ra, dec = sky.shift(
        observed.places.ra[:, None],
        observed.places.dec[:, None],
        np.where(near, east, 0.0),
        np.where(near, north, 0.0),
    )
    zone = (dec + 90.0) * 120.0
    whole = zone.astype(np.int64)
    micro = np.floor(ra * 1e6).astype(np.int64)
    return whole * 10**13 + micro * 10**4 + ((zone - whole) * 1e4).astype(np.int64)
