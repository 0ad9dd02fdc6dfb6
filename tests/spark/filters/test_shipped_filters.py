"""On recorded alerts a filter selects what DuckDB and NumPy select over the Parquet."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest

from broker.filters import FilterFolders
from broker.filters.check import CheckedFilter
from broker.filters.definition import read_filter
from broker.settings import PROJECT_ROOT
from broker.surveys import SURVEYS
from tests.spark.filters.conftest import Tables, selected, write_filter

SHIPPED = PROJECT_ROOT / "conf" / "filters"
# What has no place in these packets, or is too rare for them.
MAY_SELECT_NOTHING = {"early_snia_candidates"}
Frame = pd.DataFrame
Rows = np.ndarray[Any, np.dtype[np.bool_]]


@pytest.fixture(scope="module")
def by_survey(request: pytest.FixtureRequest) -> dict[str, Tables]:
    """The tables of every survey."""
    return {survey: request.getfixturevalue(survey) for survey in SURVEYS}


@pytest.fixture(scope="module")
def found(by_survey: dict[str, Tables]) -> dict[str, set[int]]:
    """Alerts that each shipped filter selects, as the stream does it: one pass per survey."""
    return {
        f"{tables.survey}/{name}": ids
        for tables in by_survey.values()
        for name, ids in selected(tables.filter_set(SHIPPED), tables.rows).items()
    }


@pytest.fixture(scope="module")
def alerts(ztf: Tables) -> Frame:
    """ZTF's columns as NumPy has them, fields as ``candidate.drb``."""
    table = ds.dataset(ztf.folder, partitioning="hive").to_table()
    return table.flatten().flatten().flatten().to_pandas().set_index("alert_id")


@pytest.mark.parametrize(
    "path", FilterFolders((SHIPPED,)).files(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_shipped_filter_selects_what_duckdb_selects(
    by_survey: dict[str, Tables], found: dict[str, set[int]], path: Path
) -> None:
    one = read_filter(path).filter
    ids = found[f"{one.survey}/{one.name}"]
    assert ids == by_survey[one.survey].selected_by_duckdb(one.where)
    assert ids or one.name in MAY_SELECT_NOTHING


def test_the_shipped_filters_are_in_the_sql_that_all_share(
    by_survey: dict[str, Tables], caplog: pytest.LogCaptureFixture
) -> None:
    for tables in by_survey.values():
        tables.filter_set(SHIPPED)
    assert [record.getMessage() for record in caplog.records] == []


def is_true(column: Any) -> Rows:
    return column.fillna(False).astype(bool).to_numpy()


def transients(a: Frame) -> Rows:
    """Real, brighter than before, no asteroid, no star, no halo of a bright star."""
    star = a["candidate.distpsnr1"].between(0, 1.5) & (a["candidate.sgscore1"] > np.float32(0.76))
    halo = a["candidate.neargaiabright"].between(0, 20)
    halo &= a["candidate.maggaiabright"].between(0, 12)
    known = is_true(a["solar_system.is_known"])
    return is_true(a["real_bogus.is_real"]) & is_true(a["is_positive"]) & ~known & ~star & ~halo


def supernovae(a: Frame) -> Rows:
    chance = a["classifier.probabilities.sn_ia"] + a["classifier.probabilities.core_collapse"]
    young = a["age_days"].between(0.02, 90) & (a["n_detections"] >= 3)
    return transients(a) & young & (a["candidate.classtar"] > np.float32(0.4)) & (chance > 0.5)


def fast(a: Frame, sign: int) -> Rows:
    change, error = sign * a["recent.mag_per_day"], a["recent.mag_per_day_err"]
    young = a["age_days"].between(0.02, 60)
    return transients(a) & young & (change > 0.1) & (change > 3 * error)


def hostless(a: Frame) -> Rows:
    near = a["candidate.distnr"].between(0, 1.5) | a["candidate.distpsnr1"].between(0, 5)
    return transients(a) & a["age_days"].between(0.02, 30) & ~near


NUMPY: dict[str, Callable[[Frame], Any]] = {
    "real_not_solar_system": lambda a: (
        is_true(a["real_bogus.is_real"]) & ~is_true(a["solar_system.is_known"])
    ),
    "solar_system_known": lambda a: a["solar_system.code"] == 3,
    "bright_new": lambda a: transients(a) & (a["mag"] < 18.5) & a["age_days"].between(0.02, 10),
    "supernova_candidates": supernovae,
    "fast_risers": lambda a: fast(a, -1),
    "fast_faders": lambda a: fast(a, 1),
    "hostless": hostless,
    "uniform_sample": lambda a: a.index.to_numpy() % 113 == 0,
}


@pytest.mark.parametrize("name", NUMPY)
def test_a_shipped_filter_selects_what_numpy_selects(
    alerts: Frame, found: dict[str, set[int]], name: str
) -> None:
    assert found[f"ztf/{name}"] == set(alerts.index[np.asarray(NUMPY[name](alerts))])


FLOATS = [
    *("candidate.classtar > {}", "candidate.classtar >= {}", "NOT candidate.classtar < {}"),
    *("candidate.classtar BETWEEN {} AND 0.9", "candidate.classtar IN ({}, 7)"),
    *("coalesce(candidate.classtar, 0.1) <= {}", "candidate.classtar = {}"),
    "CASE WHEN is_positive THEN candidate.classtar ELSE 0.3 END > {}",
    "coalesce(CASE WHEN is_positive THEN candidate.classtar END, 0.3) <> {}",
    "candidate.classtar > {} - 0.0",
    "-candidate.classtar < -{}",
]


def test_a_number_beside_a_float_column_is_the_number_that_is_printed(
    ztf: Tables, alerts: Frame, tmp_path: Path
) -> None:
    values = [str(v) for v in np.unique(alerts["candidate.classtar"].dropna())[20:400:120]]
    wheres = [form.format(value) for form in FLOATS for value in values]
    for k, where in enumerate(wheres):
        write_filter(tmp_path, f"f{k}", where)
    ours = selected(ztf.filter_set(tmp_path), ztf.rows)
    different = [w for k, w in enumerate(wheres) if ours[f"f{k}"] != ztf.selected_by_duckdb(w)]
    assert different == []
    column = alerts["candidate.classtar"]
    for k, value in enumerate(values):
        assert ours[f"f{k}"] == set(alerts.index[column > np.float32(value)])


def test_a_cast_that_the_author_wrote_is_left_alone(
    check: Callable[[str], CheckedFilter],
) -> None:
    for where in ("cast(candidate.classtar as double) > 0.4", "candidate.classtar > 0.4BD"):
        assert check(where).evaluated.text.strip() == where


COLUMNS = {
    "float": ["candidate.classtar", "candidate.drb", "candidate.distnr", "candidate.sgscore1"],
    "double": ["mag", "age_days", "recent.mag_per_day", "real_bogus.score", "classifier.score"],
    "int": ["n_detections", "candidate.ndethist", "candidate.fid", "solar_system.code"],
    "bool": ["is_positive", "real_bogus.is_real", "solar_system.is_known"],
}
NUMBERS = [*COLUMNS["float"], *COLUMNS["double"], *COLUMNS["int"]]


class Author:
    """Writes conditions in the SQL that all share, with numbers that occur in the data."""

    def __init__(self, alerts: Frame, seed: int) -> None:
        self.alerts = alerts
        self.random = random.Random(seed)

    def condition(self, depth: int = 2) -> str:
        if depth == 0:
            return self.comparison()
        kind = self.random.randrange(6)
        one, two = self.condition(depth - 1), self.condition(depth - 1)
        return [
            f"({one} AND {two})",
            f"({one} OR {two})",
            f"NOT ({one})",
            f"coalesce({one}, {self.random.choice(['true', 'false'])})",
            f"CASE WHEN {one} THEN {two} ELSE {self.comparison()} END",
            self.comparison(),
        ][kind]

    def comparison(self) -> str:
        pick = self.random.choice
        if self.random.random() < 0.2:
            return pick(COLUMNS["bool"])
        column, number = self.number_column()
        sign = pick(["<", "<=", ">", ">=", "=", "<>"])
        return pick(
            [
                f"{column} {sign} {number()}",
                f"abs({column}) {sign} {number()}",
                f"coalesce({column}, {number()}) {sign} {number()}",
                f"{column} {pick(['', 'NOT '])}BETWEEN {number()} AND {number()}",
                f"{column} {pick(['', 'NOT '])}IN ({number()}, {number()})",
                f"{column} IS {pick(['', 'NOT '])}NULL",
                f"{column} {sign} {self.number_column()[0]}",
                f"alert_id % {self.random.randrange(1, 99)} {sign} 5",
                f"{column} + {number()} {sign} {number()}",
            ]
        )

    def number_column(self) -> tuple[str, Callable[[], str]]:
        column = self.random.choice(
            [c for kind in ("float", "double", "int") for c in COLUMNS[kind]]
        )
        values = self.alerts[column].dropna().to_numpy()
        return column, lambda: self.spelled(values[self.random.randrange(len(values))])

    def spelled(self, value: Any) -> str:
        """Without exponent: Spark and DuckDB read these as decimals both."""
        return np.format_float_positional(value, trim="-") if value % 1 else str(int(value))


@pytest.mark.parametrize("seed", range(3))
def test_random_conditions_select_what_duckdb_selects(
    ztf: Tables, alerts: Frame, tmp_path: Path, seed: int
) -> None:
    author = Author(alerts, seed)
    wheres = [author.condition() for _ in range(30)]
    for k, where in enumerate(wheres):
        write_filter(tmp_path, f"f{k}", where)
    ours = selected(ztf.filter_set(tmp_path), ztf.rows)
    different = [w for k, w in enumerate(wheres) if ours[f"f{k}"] != ztf.selected_by_duckdb(w)]
    assert different == []
