"""Weather, depth, zero point and seeing of every exposure, now and in the past.

They belong to the survey, not to a seed: two nights see the same weather of the month before.
"""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.almanac import JD_OF_MJD_ZERO, moon_illumination
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints, keys_of, stream_key

SURVEY_STREAM = stream_key(0x5A5446)
G_BAND, R_BAND = 1, 2
# Night number 0 is 2017-01-01, as in ZTF's `nid`.
JD_OF_NIGHT_ZERO = 2457754.5
MJD_OF_NIGHT_ZERO = JD_OF_NIGHT_ZERO - JD_OF_MJD_ZERO
SURVEY_START_NIGHT = 443
# Nights darkest, in 2 arcsec seeing: Bellm et al. (2019) give 20.8 in g and 20.6 in r.
_DARK_LIMIT = {G_BAND: 20.85, R_BAND: 20.62}
_MOON_LOSS = {G_BAND: 0.85, R_BAND: 0.40}
_CLOUDED_OUT = 0.34
_FLUX_OF_ZERO_MAG_NJY = 10.0 ** (0.4 * 31.4)


def flux_njy(mag: Floats) -> Floats:
    """Flux of an AB magnitude, nJy; nan stays nan."""
    return np.asarray(_FLUX_OF_ZERO_MAG_NJY * 10.0 ** (-0.4 * mag))


def magnitude(flux: Floats) -> Floats:
    """AB magnitude of the absolute value of a flux in nJy."""
    return 31.4 - 2.5 * np.log10(np.maximum(np.abs(flux), 1e-12))


def is_open(night: Ints) -> Bools:
    """Whether the dome was open; bad weather comes in spells of a few nights."""
    return _weather(night) > _CLOUDED_OUT


def seeing_pixels(exposure: Draws) -> Floats:
    """Full width at half maximum of stars, pixels of 1.01 arcsec."""
    return np.clip(2.05 * np.exp(0.16 * exposure.normal("seeing")), 1.5, 4.5)


def limiting_magnitude(exposure: Draws, night: Ints, fid: Ints, jd: Floats) -> Floats:
    """Expected 5σ limit of the difference image, AB mag.

    Moonlight costs depth in proportion to the Moon's lit fraction, seeing as 2.5 log10 of its
    width, thin cloud an exponential amount that is larger in the nights that barely opened.
    """
    is_g = fid == G_BAND
    dark = np.where(is_g, _DARK_LIMIT[G_BAND], _DARK_LIMIT[R_BAND])
    moon = np.where(is_g, _MOON_LOSS[G_BAND], _MOON_LOSS[R_BAND]) * moon_illumination(jd) ** 1.5
    seeing = 2.5 * np.log10(seeing_pixels(exposure) / 2.0)
    haze = 0.06 + 0.35 * np.maximum(0.55 - _weather(night), 0.0)
    cloud = -haze * np.log(exposure.uniform("cloud"))
    return np.clip(dark - moon - 0.8 * seeing - cloud, 18.0, None)


def zero_point(exposure: Draws, fid: Ints) -> Floats:
    """Magnitude of one count (DN) in 30 s."""
    colour = np.where(fid == G_BAND, 0.01, 0.0)
    return 26.28 + colour + 0.06 * exposure.normal("zero_point")


def exposures_of(stream: np.uint64, night: Ints, fraction: Ints, channel: Ints) -> Draws:
    """Random numbers of an exposure (night number, 1e-5 of a day), or of one readout channel."""
    return Draws(keys_of(stream, (night * 100_000 + fraction) * 1000 + channel))


def _weather(night: Ints) -> Floats:
    spells = Draws(keys_of(SURVEY_STREAM, night // 3)).uniform("spell")
    return 0.5 * spells + 0.5 * Draws(keys_of(SURVEY_STREAM, night)).uniform("weather")
