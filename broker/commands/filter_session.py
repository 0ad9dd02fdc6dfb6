"""Spark session of the filter commands: a checker and the stored rows of one survey."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from broker.nights import NightRange
from broker.settings import Settings
from broker.surveys import get_survey
from broker.tables.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from broker.filters.check import CheckedFilter
    from broker.filters.clauses import Clause
    from broker.filters.definition import FilterFile

T = TypeVar("T")


class FilterSession:
    """Spark, started for one survey's filters.

    Parameters
    ----------
    settings
        Settings of the survey.
    """

    def __init__(self, settings: Settings) -> None:
        from broker.filters.check import Checker
        from broker.science.engine.science_pass import SciencePass
        from broker.spark.session import build_session
        from broker.spark.types import to_spark_schema
        from broker.tables.science_schema import science_schema

        self.settings = settings
        self.survey = get_survey(settings.survey)
        science = SciencePass(settings.survey, settings.science)
        self._schema = to_spark_schema(science_schema(self.survey, science.fields))
        spark = build_session("nightjar filter")
        self._checker = Checker(spark, settings.survey, self._schema)
        self._checked: dict[FilterFile, CheckedFilter] = {}

    def check(self, file: FilterFile) -> CheckedFilter:
        """Check a filter; the result is kept.

        Raises
        ------
        InputError
            The filter cannot be used.
        """
        if file not in self._checked:
            checked = self._checker.check(file)
            for problem in self._checker.try_out([checked]).values():
                raise problem
            self._checked[file] = checked
        return self._checked[file]

    def clauses(self, file: FilterFile) -> list[Clause]:
        """AND clauses of a filter that can be used."""
        from broker.filters.clauses import split_clauses

        return split_clauses(self.check(file), self._checker.session)

    def over_rows(self, use: Callable[[DataFrame], T], nights: tuple[int, int] | None = None) -> T:
        """Result of a function of the science rows of some nights, or of all.

        It is called again when a night was replaced meanwhile.
        """
        from broker.tables.read_spark import retry_action, rows_of_table

        storage, span = Storage(self.settings.survey_root), NightRange(*(nights or ()))
        session = self._checker.session
        return retry_action(
            lambda: use(rows_of_table(session, storage, "science", span, self._schema))
        )
