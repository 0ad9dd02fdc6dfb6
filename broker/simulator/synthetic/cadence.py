"""When each field was looked at: tonight's schedule and the years before.

The public survey of ZTF visits a field in g and r about half an hour apart, every second night,
the Galactic plane every night (Bellm et al. 2019b), weather and season permitting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.errors import UsageError
from broker.simulator.synthetic import almanac, sky
from broker.simulator.synthetic.conditions import (
    G_BAND,
    JD_OF_NIGHT_ZERO,
    R_BAND,
    SURVEY_START_NIGHT,
    SURVEY_STREAM,
    exposures_of,
    is_open,
    limiting_magnitude,
)
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints, keys_of

# 38.88 s: a 30 s exposure and its overhead, in units of 1e-5 day as in ZTF's `pid`.
SLOT = 45
_FIELDS_PER_BLOCK = 20
_SLOTS_PER_VISIT = 2  # every second exposure belongs to the public survey
_HISTORY_DAYS = 31
_EARLIER_DAYS = 400
_SAMPLES = 48
_SIDEREAL_SHIFT = 273.8  # a field culminates so many 1e-5 days earlier each day
_FIELD_RESIDUES = 400


@dataclass(frozen=True)
class Visits:
    """Exposures of fields, each row by time; all arrays have shape (F, E).

    ``fraction`` is the time of day in 1e-5 days; entries that are not ``valid`` are padding.
    """

    night: Ints
    fraction: Ints
    fid: Ints
    limit: Floats
    valid: Bools

    @property
    def jd(self) -> Floats:
        """Julian date of the start of the exposure, UTC, to 1e-7 days."""
        return np.asarray(
            np.round(JD_OF_NIGHT_ZERO + self.night + (self.fraction + 0.37) * 1e-5, 7)
        )


@dataclass(frozen=True)
class Cadence:
    """All that the survey did in the fields it visits tonight.

    Attributes
    ----------
    fields
        The F fields, in the order of their first visit.
    tonight
        Two visits each, shape (F, 2).
    recent
        The 31 days before tonight.
    earlier
        Days 31 to 400 before tonight.
    sample
        Random visits since the survey began, for what never ends; shape (F, 48).
    visits_per_day
        Average over all years, shape (F,).
    """

    night: int
    fields: sky.Fields
    tonight: Visits
    recent: Visits
    earlier: Visits
    sample: Visits
    visits_per_day: Floats


def plan_cadence(night: int, first_slot: int) -> Cadence:
    """Schedule a night and recall the past of its fields.

    Parameters
    ----------
    night
        Days since 2017-01-01, UTC.
    first_slot
        Offset of the first exposure, 1e-5 days; nights of different seeds then share no exposure.

    Raises
    ------
    UsageError
        The night is before the survey began.
    """
    if night < SURVEY_START_NIGHT + _EARLIER_DAYS:
        raise UsageError(
            f"night {night} days after 2017-01-01 is too early: the synthetic survey began "
            "in March 2018 and needs 400 days of history; choose a night from June 2019 on"
        )
    grid = sky.all_fields()
    index, fraction, fid = _schedule(night, first_slot, grid)
    fields = sky.Fields(grid.number[index], grid.ra[index], grid.dec[index])
    tonight = _visits(fields, np.full_like(fraction, night), fraction, fid)
    earlier = _past(fields, tonight, np.arange(_HISTORY_DAYS + 1, _EARLIER_DAYS + 1))
    per_day = earlier.valid.sum(axis=1) / (_EARLIER_DAYS - _HISTORY_DAYS)
    return Cadence(
        night,
        fields,
        tonight,
        _past(fields, tonight, np.arange(1, _HISTORY_DAYS + 1)),
        earlier,
        _sample(fields, night),
        np.maximum(per_day, 0.05),
    )


def _schedule(night: int, first_slot: int, grid: sky.Fields) -> tuple[Ints, Ints, Ints]:
    """Pick fields block by block near the meridian; each block in one band, then in the other."""
    slots = first_slot + SLOT * np.arange(100_000 // SLOT)
    slots = slots[almanac.is_dark(JD_OF_NIGHT_ZERO + night + slots.astype(np.float64) * 1e-5)]
    per_block = 2 * _FIELDS_PER_BLOCK * _SLOTS_PER_VISIT
    waiting = _is_due(grid, night)
    index, fraction, fid = [], [], []
    for block in range(len(slots) // per_block):
        start = slots[block * per_block]
        chosen = _near_meridian(grid, waiting, JD_OF_NIGHT_ZERO + night + start * 1e-5)
        waiting[chosen] = False
        first = start + SLOT * _SLOTS_PER_VISIT * np.arange(len(chosen))
        second = first + SLOT * _SLOTS_PER_VISIT * _FIELDS_PER_BLOCK
        index.append(chosen)
        fraction.append(np.stack([first, second], axis=1))
        bands = (G_BAND, R_BAND) if block % 2 == 0 else (R_BAND, G_BAND)
        fid.append(np.tile(bands, (len(chosen), 1)))
    return np.concatenate(index), np.concatenate(fraction), np.concatenate(fid)


def _near_meridian(grid: sky.Fields, waiting: Bools, jd: float) -> Ints:
    """At most a block's worth of waiting fields above 30 degrees, nearest to the meridian."""
    now = np.array([jd])
    is_up = almanac.sin_altitude(now, grid.ra, grid.dec) > 0.5
    hour = np.abs((almanac.sidereal_time(now) - grid.ra + 180.0) % 360.0 - 180.0)
    candidates = np.flatnonzero(waiting & is_up)
    return np.sort(candidates[np.argsort(hour[candidates], kind="stable")][:_FIELDS_PER_BLOCK])


def _interval(fields: sky.Fields) -> Ints:
    """Days between visits: 1 in the plane, elsewhere 2 or, in a fifth of the fields, 3."""
    latitude = np.abs(sky.galactic(fields.ra, fields.dec)[1])
    slow = Draws(keys_of(SURVEY_STREAM, fields.number)).uniform("interval") < 0.2
    return np.where(latitude < 7.0, 1, np.where(slow, 3, 2)).astype(np.int64)


def _is_due(fields: sky.Fields, night: int) -> Bools:
    phase = Draws(keys_of(SURVEY_STREAM, fields.number)).choice("phase", (1.0,) * 6)
    return np.asarray((night + phase) % _interval(fields) == 0)


def _visits(fields: sky.Fields, night: Ints, fraction: Ints, fid: Ints) -> Visits:
    draws = exposures_of(SURVEY_STREAM, night, fraction, fields.number[:, None])
    jd = JD_OF_NIGHT_ZERO + night + fraction * 1e-5
    limit = limiting_magnitude(draws, night, fid, jd)
    return Visits(night, fraction, fid, limit, np.ones(night.shape, dtype=bool))


def _past(fields: sky.Fields, tonight: Visits, days_ago: Ints) -> Visits:
    """Visits on the given days before tonight, packed to the left by time."""
    night = (tonight.night[0, 0] - days_ago)[None, :, None] + np.zeros_like(tonight.fid)[:, None, :]
    fid = np.broadcast_to(tonight.fid[:, None, :], night.shape)
    shape = (night.shape[0], -1)
    night, fid = night.reshape(shape), fid.reshape(shape)
    ago = np.repeat(days_ago, tonight.fid.shape[1])[None, :]
    start = np.tile(tonight.fraction, (1, len(days_ago)))
    fraction = _time_of_day(fields, start, ago, night, fid)
    happened = _happened(fields, night, ago, fid)
    order = np.argsort(np.where(happened, night * 100_000 + fraction, 2**60), axis=1, kind="stable")
    width = max(int(happened.sum(axis=1).max()), 1)
    pick = order[:, :width]
    packed = [np.take_along_axis(values, pick, axis=1) for values in (night, fraction, fid)]
    visits = _visits(fields, packed[0], packed[1], packed[2])
    valid = np.take_along_axis(happened, pick, axis=1)
    return Visits(visits.night, visits.fraction, visits.fid, visits.limit, valid)


def _time_of_day(fields: sky.Fields, start: Ints, ago: Ints, night: Ints, fid: Ints) -> Ints:
    """Sidereal shift and a spread of an hour, within the night; no two exposures share an instant.

    Each field has a residue of its own, each band every second step.
    """
    draws = exposures_of(SURVEY_STREAM, night, np.zeros_like(fid), fields.number[:, None])
    spread = 4000.0 * (draws.uniform("time_of_day") - 0.5)
    ideal = start + np.minimum(ago, 31) * _SIDEREAL_SHIFT + spread
    folded = 15_000 + np.mod(ideal - 15_000, 34_000)
    steps = 2 * (folded // (2 * _FIELD_RESIDUES)).astype(np.int64) + (fid == R_BAND)
    residue = np.arange(len(fields.number))[:, None] % _FIELD_RESIDUES
    return np.asarray(steps * _FIELD_RESIDUES + residue)


def _happened(fields: sky.Fields, night: Ints, ago: Ints, fid: Ints) -> Bools:
    draws = exposures_of(SURVEY_STREAM, night, fid, fields.number[:, None])
    due = np.mod(ago, _interval(fields)[:, None]) == 0
    sun_ra = almanac.sun(JD_OF_NIGHT_ZERO + night.astype(np.float64))[0]
    elongation = np.abs((fields.ra[:, None] - sun_ra + 180.0) % 360.0 - 180.0)
    in_season = (elongation > 60.0) | (fields.dec[:, None] > 60.0)
    return np.asarray(due & in_season & is_open(night) & (draws.uniform("done") < 0.9))


def _sample(fields: sky.Fields, night: int) -> Visits:
    draws = Draws(keys_of(SURVEY_STREAM, fields.number))
    number = np.arange(_SAMPLES)[None, :] + np.zeros((len(fields.number), 1), dtype=np.int64)
    span = night - _HISTORY_DAYS - SURVEY_START_NIGHT
    stratum = (number + draws.uniform("sample", number)) / _SAMPLES
    nights = SURVEY_START_NIGHT + (stratum * span).astype(np.int64)
    spread = 15_000 + (34_000 * draws.uniform("sample_time", number)).astype(np.int64)
    fid = np.where(number % 2 == 0, G_BAND, R_BAND)
    return _visits(fields, nights, spread, fid)
