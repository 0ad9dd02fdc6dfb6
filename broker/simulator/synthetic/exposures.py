"""Exposures of single readout channels, and how well they measure a flux."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.simulator.synthetic.almanac import JD_OF_MJD_ZERO
from broker.simulator.synthetic.cadence import Visits
from broker.simulator.synthetic.conditions import SURVEY_STREAM, flux_njy, zero_point
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints, keys_of

DETECTION_SIGMA = 5.0
_ELECTRONS_PER_COUNT = 6.2
# Bright differences scatter more than photons and sky explain: alignment and PSF matching.
_PSF_SCATTER = 0.042
_REFERENCE_SCATTER = 0.009
_LOST = 0.03


@dataclass(frozen=True)
class Exposures:
    """Looks at K sources; arrays of shape (K, E).

    ``limit`` is the 5σ limit of the readout channel, ``zero_point`` that of its image, ``pid`` the
    survey's number of the channel's exposure.
    """

    jd: Floats
    fid: Ints
    night: Ints
    fraction: Ints
    pid: Ints
    limit: Floats
    zero_point: Floats
    valid: Bools

    @property
    def mjd(self) -> Floats:
        """Modified Julian date of the start of the exposure, UTC."""
        return self.jd - JD_OF_MJD_ZERO

    @property
    def draws(self) -> Draws:
        """Random numbers of the channel's exposure."""
        return Draws(keys_of(SURVEY_STREAM, self.pid))


def look(visits: Visits, field: Ints, rcid: Ints) -> Exposures:
    """Visits of each source's field through its readout channel."""
    night, fraction = visits.night[field], visits.fraction[field]
    fid = visits.fid[field]
    pid = night * 1_000_000_000 + fraction * 10_000 + rcid[:, None] * 100 + 15
    draws = Draws(keys_of(SURVEY_STREAM, pid))
    return Exposures(
        visits.jd[field],
        fid,
        night,
        fraction,
        pid,
        visits.limit[field] + 0.05 * draws.normal("depth"),
        zero_point(draws, fid),
        visits.valid[field],
    )


def flux_error(exposures: Exposures, source: Draws, true: Floats, beneath: Floats) -> Floats:
    """Standard error of a PSF-fit difference flux, nJy.

    Sky noise from the limit, photon noise of the source and what lies beneath, and the scatter of
    the subtraction in proportion to both, which widens the real survey's errors at the bright end.
    """
    sky = flux_njy(exposures.limit) / DETECTION_SIGMA
    sky = sky * 1.12 * np.exp(0.12 * source.normal("sky_error", exposures.pid))
    photons = (np.abs(true) + 2.0 * beneath) * flux_njy(exposures.zero_point) / _ELECTRONS_PER_COUNT
    match = np.exp(0.35 * source.normal("match_error", exposures.pid))
    scatter = match * (_PSF_SCATTER * np.abs(true) + _REFERENCE_SCATTER * beneath)
    return np.asarray(np.sqrt(sky**2 + photons + scatter**2))


def measure(
    exposures: Exposures, source: Draws, true: Floats, error: Floats
) -> tuple[Floats, Bools]:
    """Measured difference fluxes and whether the pipeline made an alert of them.

    Three in a hundred are lost to flagged pixels and failed subtractions.
    """
    measured = true + error * source.normal("noise", exposures.pid)
    kept = source.uniform("lost", exposures.pid) > _LOST
    found = np.abs(measured) >= DETECTION_SIGMA * error
    return measured, np.asarray(found & kept & exposures.valid)
