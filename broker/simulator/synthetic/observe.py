"""Observations of each alert's object that the survey had by the time of the alert.

For a chunk of alerts, one population after the other: positions, the light curve measured in all
exposures of the last month, the number and first day of all detections before.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from broker.simulator.synthetic.almanac import JD_OF_MJD_ZERO
from broker.simulator.synthetic.conditions import JD_OF_NIGHT_ZERO, SURVEY_START_NIGHT
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints, Keys
from broker.simulator.synthetic.exposures import Exposures, flux_error, look, measure
from broker.simulator.synthetic.place import Places
from broker.simulator.synthetic.plan import VISITS, NightPlan, SyntheticSurvey
from broker.simulator.synthetic.populations import POPULATIONS, Population, Realised, Sources
from broker.simulator.synthetic.populations.artefact import kind_of
from broker.simulator.synthetic.populations.base import Counterpart, Truth
from broker.simulator.synthetic.populations.moving import is_known, motion_arcsec_per_hour

HISTORY_DAYS = 30.0
NO_ARTEFACT = -1
_START_JD = JD_OF_NIGHT_ZERO + SURVEY_START_NIGHT


@dataclass(frozen=True)
class TruthColumns:
    """The truth of K alerts; nan and '' where a class has no such parameter."""

    subclass: np.ndarray[Any, np.dtype[np.object_]]
    redshift: Floats
    peak_mjd: Floats
    period_days: Floats
    amplitude_mag: Floats


@dataclass(frozen=True)
class Observed:
    """K alerts with their objects' past; arrays of shape (K,) or, by exposure, (K, E).

    Attributes
    ----------
    keys
        Of the objects; the two apparitions of an asteroid have one key.
    alert, exposure_of_alert
        Row in the plan, and column of this alert in the exposures.
    exposures
        The last 31 days and tonight.
    true, measured, error
        Difference flux, nJy.
    listed, seen
        Exposures that the history covers (this alert's included), and those that detected it.
    detections, coverage, first_jd
        ZTF's ndethist, ncovhist, jdstarthist.
    artefact
        Kind of artefact, -1 for what is real.
    """

    alert: Ints
    population: Ints
    keys: Keys
    places: Places
    exposures: Exposures
    exposure_of_alert: Ints
    true: Floats
    measured: Floats
    error: Floats
    listed: Bools
    seen: Bools
    detections: Ints
    coverage: Ints
    first_jd: Floats
    counterpart: Counterpart
    truth: TruthColumns
    artefact: Ints
    moves: Bools
    known: Bools

    @property
    def draws(self) -> Draws:
        """Random numbers of the objects."""
        return Draws(self.keys)

    @property
    def jd(self) -> Floats:
        """Time of the alert."""
        return np.asarray(at_alert(self.exposures.jd, self))


def at_alert(values: Any, observed: Observed) -> Any:
    """Column of each alert's own exposure of an array of shape (K, E)."""
    return values[np.arange(len(observed.alert)), observed.exposure_of_alert]


def observe(survey: SyntheticSurvey, plan: NightPlan, alerts: Ints) -> Observed:
    """Observe the given rows of a plan; the result is in their order."""
    parts = []
    for index in np.unique(plan.population[alerts]):
        parts.append(_observe_population(survey, plan, alerts[plan.population[alerts] == index]))
    order = np.argsort(np.concatenate([part.alert for part in parts]), kind="stable")
    joined: Observed = _joined(parts, order)
    return joined


def _observe_population(survey: SyntheticSurvey, plan: NightPlan, alerts: Ints) -> Observed:
    index = int(plan.population[alerts[0]])
    population = POPULATIONS[index]
    visit = plan.visit[alerts]
    draws = survey.draws(index, plan.number[alerts])
    places = survey.place(index, draws)
    sources = survey.sources(draws, places)
    realised = population.realise(sources)
    recent = look(survey.cadence.recent, places.field, places.rcid)
    exposures = _side_by_side(recent, look(survey.cadence.tonight, places.field, places.rcid))
    own = recent.jd.shape[1] + visit
    light = _light(population, realised, exposures, draws, own)
    jd = exposures.jd[np.arange(len(own)), own]
    until = exposures.valid & (exposures.jd <= jd[:, None] + 1e-9)
    seen = light[3] & until
    before, covered, first = _before(survey, population, sources, realised, places)
    detections = seen.sum(axis=1) + before
    first_seen = np.where(seen, exposures.jd, np.inf).min(axis=1)
    listed = until & (exposures.jd >= jd[:, None] - HISTORY_DAYS)
    return Observed(
        alert=alerts,
        population=np.full(len(alerts), index),
        keys=draws.keys,
        places=_moved(survey, population, places, draws, visit, exposures),
        exposures=exposures,
        exposure_of_alert=own,
        true=light[0],
        measured=light[1],
        error=light[2],
        listed=listed,
        seen=seen & listed,
        detections=detections,
        coverage=np.maximum(covered + until.sum(axis=1), detections),
        first_jd=np.minimum(first_seen, first),
        counterpart=realised.counterpart,
        truth=_columns(realised.truth, len(alerts)),
        artefact=np.full(len(alerts), NO_ARTEFACT) if population.real else kind_of(draws),
        moves=np.full(len(alerts), population.moves),
        known=np.full(len(alerts), is_known(population)),
    )


def _light(
    population: Population, realised: Realised, exposures: Exposures, draws: Draws, own: Ints
) -> tuple[Floats, Floats, Floats, Bools]:
    """True, measured flux, error and detections; the alert's own exposure detected by its plan."""
    true = realised.difference(exposures.mjd, exposures.fid)
    is_own = np.zeros(true.shape, dtype=bool)
    is_own[np.arange(len(own)), own] = True
    if population.moves:
        true = np.where(is_own, true, 0.0)
    error = flux_error(exposures, draws, true, realised.counterpart.flux(exposures.fid))
    measured, seen = measure(exposures, draws, true, error)
    if population.moves:
        seen = seen & is_own
    return true, measured, error, seen | is_own


def _before(
    survey: SyntheticSurvey,
    population: Population,
    sources: Sources,
    realised: Realised,
    places: Places,
) -> tuple[Ints, Ints, Floats]:
    """Detections and exposures before the last month, and the first detection among them."""
    days = survey.cadence.night - 31 - SURVEY_START_NIGHT
    visits = survey.cadence.visits_per_day[places.field] * days
    spread = np.sqrt(visits) * sources.draws.normal("coverage")
    covered = np.maximum(np.round(visits + spread), 1.0).astype(np.int64)
    none = np.full(len(covered), np.inf)
    if population.moves:
        return np.zeros_like(covered), covered, none
    visited = survey.cadence.earlier if population.ends else survey.cadence.sample
    exposures = look(visited, places.field, places.rcid)
    true = realised.difference(exposures.mjd, exposures.fid)
    beneath = realised.counterpart.flux(exposures.fid)
    error = flux_error(exposures, sources.draws, true, beneath)
    seen = measure(exposures, sources.draws, true, error)[1]
    if population.ends:
        return seen.sum(axis=1), covered, np.where(seen, exposures.jd, np.inf).min(axis=1)
    begin = np.maximum(sources.reference_mjd[:, 1] + JD_OF_MJD_ZERO, _START_JD)
    # A sample of 48 is too coarse for what shows itself once in a hundred nights.
    rarely = np.where(beneath[:, 0] > 0.0, sources.draws.uniform("rarely") ** 2, 0.0)
    fraction = (seen.sum(axis=1) + rarely) / (seen.shape[1] + 1)
    return _extrapolate(sources.draws, fraction, covered, begin, _START_JD + days)


def _extrapolate(
    draws: Draws, fraction: Floats, covered: Ints, begin_jd: Floats, end_jd: float
) -> tuple[Ints, Ints, Floats]:
    """Years of detections from the detected fraction of a sample of exposures.

    Alerts begin when the field has its reference image.
    """
    usable = covered * (end_jd - begin_jd) / (end_jd - _START_JD)
    expected = fraction * usable
    spread = np.sqrt(expected * (1.0 - fraction)) * draws.normal("detections")
    count = np.clip(np.round(expected + spread), 0, covered).astype(np.int64)
    days = end_jd - begin_jd
    gap = 3.0 * days * draws.exponential("first_gap") / np.maximum(count, 1)
    night = np.floor(begin_jd + np.minimum(gap, days - 1.0)) + 0.5
    first = night + 0.15 + 0.35 * draws.uniform("hour")
    return count, covered, np.where(count > 0, np.round(first, 7), np.inf)


def _moved(
    survey: SyntheticSurvey,
    population: Population,
    places: Places,
    draws: Draws,
    visit: Ints,
    exposures: Exposures,
) -> Places:
    if not population.moves:
        return places
    hours = 24.0 * (exposures.jd[:, -1] - exposures.jd[:, -VISITS]) * visit
    speed = motion_arcsec_per_hour(draws.uniform("speed"), is_known(population))
    angle = np.radians(200.0 + 40.0 * draws.normal("direction"))
    path = np.minimum(speed * hours, 34.0)
    return survey.footprint.move(places, -path * np.cos(angle), path * np.sin(angle))


def _side_by_side(left: Exposures, right: Exposures) -> Exposures:
    columns = {
        field.name: np.concatenate([getattr(left, field.name), getattr(right, field.name)], axis=1)
        for field in fields(Exposures)
    }
    return Exposures(**columns)


def _columns(truth: Truth, count: int) -> TruthColumns:
    missing = np.full(count, np.nan)
    return TruthColumns(
        np.array(truth.subclass or ("",) * count, dtype=object),
        *(
            missing if values is None else values
            for values in (truth.redshift, truth.peak_mjd, truth.period_days, truth.amplitude_mag)
        ),
    )


def _joined(parts: list[Any], order: Ints) -> Any:
    """Concatenate dataclasses of arrays field by field and sort them."""
    first = parts[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)[order]
    return type(first)(
        **{
            field.name: _joined([getattr(part, field.name) for part in parts], order)
            for field in fields(first)
        }
    )


def mjd_of(jd: Floats) -> Floats:
    """Modified Julian date."""
    return jd - JD_OF_MJD_ZERO
