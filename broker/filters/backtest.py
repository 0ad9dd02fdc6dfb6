"""Back-tests: counts of a filter over past nights, on the rows as they were at the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.filters.clauses import Clause

_EXAMPLES = 5


@dataclass(frozen=True)
class NightMatches:
    """Alerts and objects of one night, in the stream and of these passed by the filter."""

    night: int
    alerts: int
    objects: int
    passed_alerts: int
    passed_objects: int


@dataclass(frozen=True)
class ClauseCount:
    """Numbers of alerts that one clause removes.

    Attributes
    ----------
    alone
        Removed if it were the whole filter.
    in_order
        Removed of those that the clauses before it leave.
    null
        Of `alone`: those for which it is null, which is no match.
    """

    text: str
    alone: int
    in_order: int
    null: int


@dataclass(frozen=True)
class PassedObject:
    """An object that passed, with the first of its alerts that passed."""

    object_id: str
    alerts: int
    first_night: int
    first_alert_id: int


@dataclass(frozen=True)
class BackTest:
    """Result of a filter over some nights."""

    nights: tuple[NightMatches, ...]
    clauses: tuple[ClauseCount, ...]
    objects: int
    examples: tuple[PassedObject, ...]

    @property
    def alerts(self) -> int:
        """Alerts in the stream."""
        return sum(night.alerts for night in self.nights)

    @property
    def passed(self) -> int:
        """Alerts that the filter passes."""
        return sum(night.passed_alerts for night in self.nights)

    @property
    def share(self) -> float:
        """Fraction (0–1) of the stream that passes."""
        return self.passed / self.alerts if self.alerts else 0.0


@dataclass(frozen=True)
class ChangedObject:
    """An object that one filter finds and another does not.

    Attributes
    ----------
    gained
        The new filter finds it; else the old one.
    alert_id, night
        Its first alert that passes the filter that finds it.
    clause
        First clause of the other filter that this alert fails.
    """

    object_id: str
    gained: bool
    alert_id: int
    night: int
    clause: str


@dataclass(frozen=True)
class ClauseValue:
    """One clause of a filter on one alert: its value, and those of the columns it reads."""

    text: str
    value: bool | None
    columns: dict[str, Any]


def back_test(rows: DataFrame, clauses: Sequence[Clause]) -> BackTest:
    """Count the alerts that a filter passes and those that each of its clauses removes.

    Parameters
    ----------
    rows
        Science rows in the filters' session.
    """
    flags = [F.coalesce(clause.condition, F.lit(False)) for clause in clauses]
    measures = {"alerts": F.count("*"), "passed": F.count_if(_all(flags))}
    for k, clause in enumerate(clauses):
        measures[f"alone_{k}"] = F.count_if(~flags[k])
        measures[f"null_{k}"] = F.count_if(clause.condition.isNull())
        measures[f"in_order_{k}"] = F.count_if(_all(flags[:k]) & ~flags[k])
    by_object = rows.groupBy("night", "object_id").agg(
        *(measure.alias(name) for name, measure in measures.items())
    )
    by_night = by_object.groupBy("night").agg(
        F.count("*").alias("objects"),
        F.count_if(F.col("passed") > 0).alias("passed_objects"),
        *(F.sum(name).alias(name) for name in measures),
    )
    counts = by_night.orderBy("night").collect()
    passed = rows.where(_all(flags))
    return BackTest(
        nights=tuple(
            NightMatches(c["night"], c["alerts"], c["objects"], c["passed"], c["passed_objects"])
            for c in counts
        ),
        clauses=tuple(
            ClauseCount(
                clause.text,
                *(sum(c[f"{what}_{k}"] for c in counts) for what in ("alone", "in_order", "null")),
            )
            for k, clause in enumerate(clauses)
        ),
        objects=passed.agg(F.count_distinct("object_id")).collect()[0][0],
        examples=_examples(passed),
    )


def changed_objects(
    rows: DataFrame, old: Sequence[Clause], new: Sequence[Clause]
) -> list[ChangedObject]:
    """List objects that only one of two filters finds, by deciding clause and name."""
    alerts = rows.select(
        *("object_id", "alert_id", "night", "mjd"),
        _first_failed(old).alias("old_failed"),
        _first_failed(new).alias("new_failed"),
    )
    by_old, by_new = F.col("old_failed").isNull(), F.col("new_failed").isNull()
    found = alerts.groupBy("object_id").agg(
        _first("old_failed", by_new).alias("new_finds"),
        _first("new_failed", by_old).alias("old_finds"),
    )
    changed = found.where(F.col("new_finds").isNull() != F.col("old_finds").isNull())
    objects = []
    for row in changed.collect():
        gained = row["new_finds"] is not None
        alert, other = (row["new_finds"], old) if gained else (row["old_finds"], new)
        clause = other[alert["failed"]].text
        objects.append(
            ChangedObject(row["object_id"], gained, alert["alert_id"], alert["night"], clause)
        )
    return sorted(objects, key=lambda o: (not o.gained, o.clause, o.object_id))


def try_examples(
    rows: DataFrame, clauses: Sequence[Clause], alert_ids: Sequence[int]
) -> dict[int, str | None]:
    """First clause that each stored alert fails, None where it passes."""
    alerts = rows.where(F.col("alert_id").isin(list(alert_ids)))
    found = alerts.select("alert_id", _first_failed(clauses).alias("failed")).collect()
    return {
        row["alert_id"]: None if row["failed"] is None else clauses[row["failed"]].text
        for row in found
    }


def explain_alert(
    rows: DataFrame, clauses: Sequence[Clause], alert_id: int
) -> list[ClauseValue] | None:
    """Each clause's value on one alert; None if there is no such alert."""
    paths = list(dict.fromkeys(path for clause in clauses for path in clause.paths))
    alert = rows.where(F.col("alert_id") == alert_id)
    found = alert.select(*(clause.condition for clause in clauses), *map(F.col, paths)).head()
    if found is None:
        return None
    of_path = dict(zip(paths, found[len(clauses) :], strict=True))
    return [
        ClauseValue(clause.text, value, {path: of_path[path] for path in clause.paths})
        for clause, value in zip(clauses, found, strict=False)
    ]


def _examples(passed: DataFrame) -> tuple[PassedObject, ...]:
    """Choose examples from the whole sky and all nights; the choice is always the same."""
    objects = passed.groupBy("object_id").agg(
        F.count("*").alias("alerts"),
        F.min("night").alias("night"),
        F.min_by("alert_id", "mjd").alias("alert_id"),
    )
    rows = objects.orderBy(F.xxhash64("object_id")).limit(_EXAMPLES).collect()
    return tuple(PassedObject(r["object_id"], r["alerts"], r["night"], r["alert_id"]) for r in rows)


def _first(other_failed: str, passes: Column) -> Column:
    """First alert that passes, with the clause of the other filter that it fails."""
    alert = F.struct("alert_id", "night", F.col(other_failed).alias("failed"))
    return F.min_by(alert, F.when(passes, F.struct("mjd", "alert_id")))


def _first_failed(clauses: Sequence[Clause]) -> Column:
    """Index of the first clause that does not hold; null where all hold."""
    failed = [
        F.when(~F.coalesce(clause.condition, F.lit(False)), F.lit(k))
        for k, clause in enumerate(clauses)
    ]
    return F.coalesce(*failed)


def _all(flags: Sequence[Column]) -> Column:
    return reduce(Column.__and__, flags, F.lit(True))
