"""Sun, Moon and sidereal time at Palomar, to the accuracy that planning a night needs.

Low-precision formulae of the Astronomical Almanac (section C: about 0.01 degrees for the Sun).
"""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.draws import Bools, Floats

LONGITUDE_DEG, LATITUDE_DEG = -116.8630, 33.3563
JD_OF_MJD_ZERO = 2400000.5
_SYNODIC_MONTH_DAYS = 29.530588
_NEW_MOON_JD = 2451550.1


def sidereal_time(jd: Floats) -> Floats:
    """Local mean sidereal time, degrees."""
    return np.mod(280.46061837 + 360.98564736629 * (jd - 2451545.0) + LONGITUDE_DEG, 360.0)


def sun(jd: Floats) -> tuple[Floats, Floats]:
    """Right ascension and declination of the Sun, degrees."""
    days = jd - 2451545.0
    anomaly = np.radians(np.mod(357.528 + 0.9856003 * days, 360.0))
    mean = 280.460 + 0.9856474 * days
    longitude = np.radians(mean + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.radians(23.439)
    ra = np.degrees(np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude)))
    return np.mod(ra, 360.0), np.degrees(np.arcsin(np.sin(tilt) * np.sin(longitude)))


def sin_altitude(jd: Floats, ra: Floats, dec: Floats) -> Floats:
    """Sine of the altitude above Palomar's horizon."""
    hour, delta, lat = np.radians(sidereal_time(jd) - ra), np.radians(dec), np.radians(LATITUDE_DEG)
    return np.asarray(np.sin(lat) * np.sin(delta) + np.cos(lat) * np.cos(delta) * np.cos(hour))


def is_dark(jd: Floats) -> Bools:
    """Whether the Sun is more than 14 degrees below the horizon."""
    return np.asarray(sin_altitude(jd, *sun(jd)) < -np.sin(np.radians(14.0)))


def moon_illumination(jd: Floats) -> Floats:
    """Lit fraction of the Moon, 0 to 1, from the mean synodic month."""
    return np.asarray(0.5 * (1 - np.cos(2 * np.pi * (jd - _NEW_MOON_JD) / _SYNODIC_MONTH_DAYS)))
