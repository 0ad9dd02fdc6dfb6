"""Which alerts a night has: each population is observed until its share is full.

The plan keeps a few integers per alert. Everything else about an alert is a function of its
object's key and is computed when its packet is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from broker.errors import UsageError
from broker.simulator.synthetic.cadence import SLOT, Cadence, plan_cadence
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints, keys_of, stream_key
from broker.simulator.synthetic.exposures import flux_error, look, measure
from broker.simulator.synthetic.place import Footprint, Places
from broker.simulator.synthetic.populations import POPULATIONS, Population, Sources
from broker.simulator.synthetic.references import reference_mjd
from broker.simulator.synthetic.sky import extinction_r

_BLOCK = 512
_MOST_BLOCKS = 20_000
VISITS = 2


@dataclass(frozen=True)
class NightPlan:
    """A night's alerts in order of time; arrays of shape (n,).

    Attributes
    ----------
    population, number
        Index into the populations and number of the object within it: together its identity.
    visit
        Which of the field's visits tonight, 0 or 1.
    table_row
        Row in the detection table of the exposure's readout channel (ZTF's ``tblid``).
    object_rank
        Number of the object among the night's; the apparitions of an asteroid count apart.
    first_row
        Row of the same object's alert of visit 0, -1 where there is none.
    """

    population: Ints
    number: Ints
    visit: Ints
    table_row: Ints
    object_rank: Ints
    first_row: Ints


class SyntheticSurvey:
    """A night of a seed: cadence, footprint and the sources in it."""

    def __init__(self, seed: int, night: int) -> None:
        self.cadence: Cadence = plan_cadence(night, first_slot=seed % SLOT)
        self.footprint = Footprint(self.cadence)
        self._streams = [stream_key(seed, night, index) for index in range(len(POPULATIONS))]
        self._spreads = [self.footprint.spread(population) for population in POPULATIONS]

    def draws(self, population: int, number: Ints) -> Draws:
        """Random numbers of objects of one population."""
        return Draws(keys_of(self._streams[population], number))

    def place(self, population: int, draws: Draws) -> Places:
        """Places of objects of one population at the first visit."""
        return self.footprint.place(draws, self._spreads[population])

    def sources(self, draws: Draws, places: Places) -> Sources:
        """Extinction, latitude and times at these places, as the populations need them."""
        gal_lat = places.gal_lat
        return Sources(
            draws,
            extinction_r(gal_lat),
            gal_lat,
            self.cadence.tonight.jd[places.field] - 2400000.5,
            reference_mjd(self.cadence.fields.number[places.field]),
        )


def shares_of(overrides: Mapping[str, float] | None) -> Floats:
    """Share of each population, normalised; those that ``overrides`` leaves out get none.

    Raises
    ------
    UsageError
        A name that is no population, or nothing positive.
    """
    if overrides is None:
        return np.array([population.share for population in POPULATIONS])
    names = [population.name for population in POPULATIONS]
    unknown = sorted(set(overrides) - set(names))
    if unknown:
        raise UsageError(f"no population is called {unknown[0]!r}; known: {', '.join(names)}")
    shares = np.array([overrides.get(name, 0.0) for name in names])
    if shares.sum() <= 0.0 or shares.min() < 0.0:
        raise UsageError(f"the shares {dict(overrides)} leave no alerts; give positive numbers")
    return np.asarray(shares / shares.sum())


def plan_alerts(survey: SyntheticSurvey, n: int, shares: Floats) -> NightPlan:
    """Choose n alerts and number them within their exposures."""
    columns: list[list[Ints]] = [[], [], []]
    for index, quota in enumerate(_quotas(n, shares)):
        if quota:
            number, visit = _detections(survey, index, int(quota))
            for column, values in zip(
                columns, (np.full_like(number, index), number, visit), strict=True
            ):
                column.append(values)
    population, number, visit = (np.concatenate(column) for column in columns)
    return _in_order(survey, population, number, visit)


def _quotas(n: int, shares: Floats) -> Ints:
    """Whole numbers of alerts that add up to n (largest remainders)."""
    exact = shares * n
    quotas = np.floor(exact).astype(np.int64)
    rest = np.argsort(quotas - exact, kind="stable")[: n - int(quotas.sum())]
    quotas[rest] += 1
    return quotas


def _detections(survey: SyntheticSurvey, index: int, quota: int) -> tuple[Ints, Ints]:
    """First ``quota`` alerts of a population: object numbers and visits."""
    numbers, visits, found = [], [], 0
    for block in range(_MOST_BLOCKS):
        number = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
        row, visit = np.nonzero(_detected_tonight(survey, index, number))
        numbers.append(number[row])
        visits.append(visit)
        found += len(row)
        if found >= quota:
            return np.concatenate(numbers)[:quota], np.concatenate(visits)[:quota]
    name = POPULATIONS[index].name
    raise UsageError(
        f"{found} of {quota} alerts of {name} found in {_MOST_BLOCKS * _BLOCK} objects: nothing of "
        "the kind is in tonight's fields; choose another night"
    )


def _detected_tonight(survey: SyntheticSurvey, index: int, number: Ints) -> Bools:
    draws = survey.draws(index, number)
    places = survey.place(index, draws)
    population: Population = POPULATIONS[index]
    realised = population.realise(survey.sources(draws, places))
    tonight = look(survey.cadence.tonight, places.field, places.rcid)
    true = realised.difference(tonight.mjd, tonight.fid)
    beneath = realised.counterpart.flux(tonight.fid)
    error = flux_error(tonight, draws, true, beneath)
    return measure(tonight, draws, true, error)[1]


def _in_order(survey: SyntheticSurvey, population: Ints, number: Ints, visit: Ints) -> NightPlan:
    """Sort by time and channel, and give every alert its row in the channel's table."""
    pid = np.empty_like(number)
    for index in np.unique(population):
        own = population == index
        places = survey.place(index, survey.draws(index, number[own]))
        exposures = look(survey.cadence.tonight, places.field, places.rcid)
        pid[own] = np.take_along_axis(exposures.pid, visit[own, None], axis=1)[:, 0]
    order = np.lexsort((number, population, pid))
    population, number, visit, pid = (x[order] for x in (population, number, visit, pid))
    starts = np.flatnonzero(np.r_[True, pid[1:] != pid[:-1]])
    rank = np.arange(len(pid)) - np.repeat(starts, np.diff(np.r_[starts, len(pid)]))
    # Tables don't begin with an alert: what was rejected came before.
    table_row = rank + Draws(keys_of(stream_key(0), pid)).choice("table", (1.0,) * 16)
    return NightPlan(
        population,
        number,
        visit,
        table_row,
        _object_ranks(population, number, visit),
        _rows_of_first(population, number, visit, table_row),
    )


def _object_ranks(population: Ints, number: Ints, visit: Ints) -> Ints:
    moves = np.array([each.moves for each in POPULATIONS])[population]
    identity = (number * len(POPULATIONS) + population) * VISITS + np.where(moves, visit, 0)
    return np.asarray(np.unique(identity, return_inverse=True)[1], dtype=np.int64)


def _rows_of_first(population: Ints, number: Ints, visit: Ints, table_row: Ints) -> Ints:
    identity = number * len(POPULATIONS) + population
    first = visit == 0
    order = np.argsort(identity[first], kind="stable")
    known, rows = identity[first][order], table_row[first][order]
    if not len(known):
        return np.full_like(table_row, -1)
    position = np.minimum(np.searchsorted(known, identity), len(known) - 1)
    return np.where((known[position] == identity) & (visit > 0), rows[position], -1)
