"""Check filters by Spark's own analysis against the science schema."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import StructType

from broker.errors import InputError
from broker.filters.columns import column_paths, nearest_path
from broker.filters.definition import Filter, FilterFile
from broker.filters.floats import with_float_numbers
from broker.filters.refused import find_refused
from broker.filters.session import filter_session, guarded, jvm, parse
from broker.filters.shared_sql import DuckDBReader, outside_shared_sql
from broker.filters.tree import Tree

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
        What another engine may read differently, with its place.
    """

    file: FilterFile
    parsed: Tree
    evaluated: Tree
    warnings: tuple[str, ...]

    @property
    def filter(self) -> Filter:
        """The filter itself."""
        return self.file.filter

    def condition(self, session: SparkSession) -> Column:
        """Whether an alert passes; null is no."""
        return guarded(session, self.evaluated.expression)


class Checker:
    """Checks filters of one survey; starts no job but in `try_out`.

    Parameters
    ----------
    spark
        Any session of the application.
    schema
        The science table's.

    Attributes
    ----------
    session
        Where filters are evaluated.
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
                raise self._explained(file, error) from None
            except Py4JError as error:
                reason = str(error).partition("\n")[0]
                raise InputError(f"{file.place(0)}: Spark cannot read this: {reason}") from None

    def try_out(self, checked: Sequence[CheckedFilter]) -> dict[str, InputError]:
        """Evaluate filters once, compiled, on an alert of nulls.

        Some constants, such as a date format that does not exist, fail only when the compiled
        code starts, where nothing can guard the other filters.

        Returns
        -------
        Names of the filters that fail, each with its error.
        """
        with _silent_spark():
            if not checked or self._failure(checked) is None:
                return {}
            failures = {one.filter.name: self._failure([one]) for one in checked}
        places = {one.filter.name: one.file.place(0) for one in checked}
        return {
            name: InputError(f"{places[name]}: {name} cannot be evaluated: {reason}")
            for name, reason in failures.items()
            if reason is not None
        }

    def _check(self, file: FilterFile) -> CheckedFilter:
        where = file.filter.where
        parsed = Tree(parse(self.session, where), where)
        if parsed.root.kind in _NOT_EXPRESSIONS:
            raise _more_than_one_expression(file, parsed)
        analysed = self._analyse(where)
        found = find_refused(analysed, jvm(self.session))
        if found is not None:
            node, reason = found
            place = file.place(analysed.span(node)[0])
            raise InputError(f"{place}: {analysed.fragment(node)} is refused: {reason}")
        if analysed.type_name(analysed.root) != "boolean":
            raise InputError(
                f"{file.place(0)}: the where is not a condition but a value of type "
                f"{analysed.type_name(analysed.root)}; compare it with something"
            )
        evaluated = with_float_numbers(where, self._analyse)
        return CheckedFilter(
            file,
            parsed,
            Tree(parse(self.session, evaluated), evaluated),
            tuple(self._warnings(file, parsed, analysed)),
        )

    def _analyse(self, where: str) -> Tree:
        """Analysed tree of a where, whatever kind of plan Spark makes of it."""
        expressions = jvm(self.session).org.apache.spark.sql.classic.ExpressionUtils
        column = Column(expressions.column(parse(self.session, where)))
        plan = self._no_rows.select(column)._jdf.queryExecution().analyzed()
        trees = [Tree(e, where) for node in _plan_nodes(plan) for e in _items(node.expressions())]
        classes = jvm(self.session)
        # An aggregate, a window or a generator stands in a plan node of its own.
        tree = next((t for t in trees if find_refused(t, classes) is not None), trees[0])
        return Tree(tree.expression.child(), where) if tree.root.kind == "Alias" else tree

    def _warnings(self, file: FilterFile, parsed: Tree, analysed: Tree) -> Iterator[str]:
        found = False
        for node, tree, what in outside_shared_sql(parsed, analysed):
            found = True
            yield f"{file.place(tree.span(node)[0])}: {tree.fragment(node)} {what}"
        objection = None if found else self._duckdb.objection(file.filter.where)
        if objection is not None:
            yield f"{file.place(0)}: DuckDB does not read this where: {objection}"

    def _failure(self, checked: Sequence[CheckedFilter]) -> str | None:
        conditions = [one.condition(self._an_alert.sparkSession) for one in checked]
        try:
            self._an_alert.select(*conditions).collect()
        except PySparkException as error:
            return _first_sentence(error)
        except Py4JError as error:
            lines = [line for line in str(error).splitlines() if line.startswith("Caused by: ")]
            return (lines or str(error).splitlines())[-1].removeprefix("Caused by: ")
        return None

    def _explained(self, file: FilterFile, error: PySparkException) -> InputError:
        condition = error.getCondition() or ""
        fragment, start = _culprit(file.filter.where, error)
        place = file.place(start)
        if condition.startswith(("UNRESOLVED_COLUMN", "FIELD_NOT_FOUND")):
            near = nearest_path(fragment, self._paths)
            hint = f"; did you mean {near}?" if near else ""
            return InputError(f"{place}: {self.survey} has no column {fragment}{hint}")
        if condition == "UNRESOLVED_ROUTINE":
            return InputError(f"{place}: Spark has no function {fragment.partition('(')[0]}")
        return InputError(f"{place}: {_first_sentence(error)}")


def _empty_alert(spark: SparkSession, schema: StructType) -> DataFrame:
    """One row of nulls, in a session that compiles everything."""
    session, classes = filter_session(spark, compiled=True), jvm(spark)
    values = classes.java.util.Collections.nCopies(len(schema), None).toArray()
    rows = classes.java.util.Collections.singletonList(
        classes.org.apache.spark.sql.RowFactory.create(values)
    )
    java_rows = spark.sparkContext._jsc.parallelize(rows, 1)
    java_schema = session._jsparkSession.parseDataType(schema.json())
    return DataFrame(session._jsparkSession.createDataFrame(java_rows, java_schema), session)


def _plan_nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in _items(plan.children()):
        yield from _plan_nodes(child)


def _items(sequence: Any) -> Iterator[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


def _more_than_one_expression(file: FilterFile, parsed: Tree) -> InputError:
    where = file.filter.where
    children = parsed.children(parsed.root)
    stop = parsed.span(children[0])[1] if children else 0
    rest = where[stop:].strip()
    place = file.place(stop + len(where[stop:]) - len(where[stop:].lstrip()))
    return InputError(f"{place}: expected one condition, so {rest!r} is out of place")


def _culprit(where: str, error: PySparkException) -> tuple[str, int]:
    """What an error is about and where it begins."""
    for context in error.getQueryContext():
        if context.contextType().name == "SQL":
            return str(context.fragment()), int(context.startIndex())
    position = re.search(r"\(line (\d+), pos (\d+)\)", str(error))
    if position:
        lines = where.splitlines(keepends=True)[: int(position[1]) - 1]
        return "", sum(map(len, lines)) + int(position[2])
    parameters = error.getMessageParameters() or {}
    name = str(parameters.get("fieldName", parameters.get("objectName", ""))).replace("`", "")
    found = re.search(rf"[\w.]*\b{re.escape(name)}\b", where)
    return (found[0], found.start()) if name and found else (name, 0)


def _first_sentence(error: PySparkException) -> str:
    """Spark's message without its code, its plan and its state number."""
    text = str(error).strip().partition("\n")[0]
    text = re.sub(r"^\[[\w.]+\]\s*", "", text)
    return re.sub(r"\s*(SQLSTATE: \w+.*|\(line \d+, pos \d+\).*)$", "", text).rstrip(". ")


@contextmanager
def _silent_spark() -> Iterator[None]:
    """Spark's Python side logs every error that it raises, with the whole plan."""
    loggers = [logging.getLogger(name) for name in _SPARKS_LOGGERS]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
