"""Checker: validates filters by Spark's own analysis against the science schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StructType

from broker.errors import InputError
from broker.filters.columns import column_paths
from broker.filters.definition import Filter, FilterFile
from broker.filters.explain import explained, first_sentence, more_than_one_condition
from broker.filters.floats import with_float_numbers
from broker.filters.forbidden_sql import find_refused
from broker.filters.session import filter_session
from broker.filters.shared_sql import DuckDBReader, outside_shared_sql
from broker.filters.tree import Tree
from broker.spark.jvm import (
    analysed_plan,
    as_column,
    guarded,
    items,
    java_classes,
    parse,
    row_of_nulls,
)

NO_MATCH = -1
"""Value of a filter that an alert does not pass, instead of its index."""
_SPARKS_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
_NOT_EXPRESSIONS = ("Alias", "MultiAlias", "UnresolvedStar", "UnresolvedAlias")


@dataclass(frozen=True)
class CheckedFilter:
    """A filter that Spark can evaluate.

    Attributes
    ----------
    parsed
        Tree of the where as it is written.
    evaluated
        The same tree with float numbers beside float columns, as Spark gets it.
    warnings
        Parts that another engine may read differently, with their location.
    """

    file: FilterFile
    parsed: Tree
    evaluated: Tree
    warnings: tuple[str, ...]

    @property
    def filter(self) -> Filter:
        """The filter itself."""
        return self.file.filter

    def match(self, session: SparkSession, index: int) -> Column:
        """Column with the index for alerts that pass, else `NO_MATCH`."""
        passes = guarded(session, self.evaluated.expression)
        return F.when(passes, F.lit(index)).otherwise(F.lit(NO_MATCH))


class Checker:
    """Checks filters of one survey; only `try_out` starts a Spark job.

    Parameters
    ----------
    spark
        Any session of the application.
    schema
        The science table's.

    Attributes
    ----------
    session
        Session in which filters are evaluated.
    """

    def __init__(self, spark: SparkSession, survey: str, schema: StructType) -> None:
        self.survey = survey
        self.schema = schema
        self.session = filter_session(spark)
        self._no_rows = self.session.createDataFrame([], schema)
        self._paths = list(column_paths(schema))
        self._duckdb = DuckDBReader(schema)
        self._an_alert = _empty_alert(spark, schema)

    def check(self, file: FilterFile) -> CheckedFilter:
        """Check one filter.

        Raises
        ------
        InputError
            Names file, line and column, and the nearest known column where one is unknown.
        """
        with _silent_spark():
            try:
                return self._check(file)
            except PySparkException as error:
                raise explained(file, error, self._paths) from None
            except Py4JJavaError as error:
                reason = str(error.java_exception.toString()).partition("\n")[0]
                raise InputError(f"{file.location(0)}: Spark cannot read this: {reason}") from None
            except RecursionError:
                raise InputError(f"{file.location(0)}: the where is nested too deeply") from None

    def try_out(self, checked: Sequence[CheckedFilter]) -> dict[str, InputError]:
        """Evaluate filters once, compiled, on an alert of nulls.

        Some constants, such as a date format that does not exist, fail only when the compiled
        code starts, where they would stop the other filters too.

        Returns
        -------
        dict
            Name of each filter that fails → its error.
        """
        with _silent_spark():
            if not checked or self._failure(checked) is None:
                return {}
            failures = {one.filter.name: self._failure([one]) for one in checked}
        locations = {one.filter.name: one.file.location(0) for one in checked}
        return {
            name: InputError(f"{locations[name]}: {name} cannot be evaluated: {reason}")
            for name, reason in failures.items()
            if reason is not None
        }

    def _check(self, file: FilterFile) -> CheckedFilter:
        where = file.filter.where
        parsed = Tree(parse(self.session, where), where)
        if parsed.root.kind in _NOT_EXPRESSIONS:
            raise more_than_one_condition(file, parsed)
        plan = self._plan(where)
        self._refuse(file, plan)
        analysed = _condition(plan, where)
        if analysed.root.type_name != "boolean":
            raise InputError(
                f"{file.location(0)}: the where is not a condition but a value of type "
                f"{analysed.root.type_name}; compare it with something"
            )
        evaluated = with_float_numbers(where, lambda text: _condition(self._plan(text), text))
        return CheckedFilter(
            file,
            parsed,
            Tree(parse(self.session, evaluated), evaluated),
            tuple(self._warnings(file, parsed, analysed)),
        )

    def _refuse(self, file: FilterFile, plan: Sequence[Any]) -> None:
        """Raise where any part of the plan has what a filter must not contain."""
        *selecting, _table = plan
        for node in selecting:
            for expression in items(node.expressions()):
                tree = Tree(expression, file.filter.where)
                found = find_refused(tree, java_classes(self.session))
                if found is not None:
                    location = file.location(tree.span(found[0])[0])
                    raise InputError(
                        f"{location}: {tree.fragment(found[0])} is refused: {found[1]}"
                    )
        if len(selecting) > 1:
            raise InputError(f"{file.location(0)}: the where is refused: it groups alerts by time")

    def _plan(self, where: str) -> list[Any]:
        """Nodes of the analysed plan that selects a where from the science table, that one last."""
        column = as_column(self.session, parse(self.session, where))
        return list(analysed_plan(self._no_rows.select(column)))

    def _warnings(self, file: FilterFile, parsed: Tree, analysed: Tree) -> Iterator[str]:
        found = False
        for node, tree, what in outside_shared_sql(parsed, analysed):
            found = True
            yield f"{file.location(tree.span(node)[0])}: {tree.fragment(node)} {what}"
        objection = None if found else self._duckdb.objection(file.filter.where)
        if objection is not None:
            yield f"{file.location(0)}: DuckDB does not read this where: {objection}"

    def _failure(self, checked: Sequence[CheckedFilter]) -> str | None:
        session = self._an_alert.sparkSession
        matches = [one.match(session, position) for position, one in enumerate(checked)]
        try:
            self._an_alert.select(*matches).collect()
        except PySparkException as error:
            return first_sentence(error)
        except Py4JJavaError as error:
            lines = [line for line in str(error).splitlines() if line.startswith("Caused by: ")]
            return (lines or str(error).splitlines())[-1].removeprefix("Caused by: ")
        return None


def _condition(plan: Sequence[Any], where: str) -> Tree:
    """Analysed tree of a where that is not refused."""
    (selected,) = items(plan[0].expressions())
    is_named = selected.getClass().getSimpleName() == "Alias"
    return Tree(selected.child() if is_named else selected, where)


def _empty_alert(spark: SparkSession, schema: StructType) -> DataFrame:
    """One row of nulls, in a session that compiles everything."""
    return row_of_nulls(filter_session(spark, compiled=True), schema)


@contextmanager
def _silent_spark() -> Iterator[None]:
    """Spark's Python side logs every error that it raises, with the whole plan."""
    loggers = [PySparkLogger.getLogger(name) for name in _SPARKS_LOGGERS]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
