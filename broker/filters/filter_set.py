"""Filter set: the filters of one survey, evaluated in one pass and reloaded from their files."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StructType

from broker.errors import InputError
from broker.filters.check import NO_MATCH, CheckedFilter, Checker
from broker.filters.definition import Filter
from broker.filters.folders import FilterFolders, duplicate_names
from broker.spark.jvm import move
from broker.tables.filter_texts import FilterTexts

MATCHES = "matches"
"""Column with the indices of the filters that an alert passes, array<int>, never null."""

_log = logging.getLogger(__name__)
_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class _Change:
    """Result of reading changed files: the new set, and the errors."""

    checked: dict[Path, CheckedFilter]
    problems: list[InputError]


class FilterSet:
    """Filters of one survey, read from their folders.

    Parameters
    ----------
    spark
        Session of the application.
    folders
        Folders of the filters' files; filters of other surveys are left out.
    survey
        Survey of the alerts.
    schema
        The science table's.
    skip_bad
        Leave out files that cannot be used, and log them.

    Raises
    ------
    InputError
        A file cannot be used and `skip_bad` is not given; all such files are named.
    """

    def __init__(
        self,
        spark: SparkSession,
        folders: FilterFolders,
        survey: str,
        schema: StructType,
        skip_bad: bool = False,
    ) -> None:
        self._folders = folders
        self._checker = Checker(spark, survey, schema)
        self._stamps: dict[Path, _Stamp] = {}
        self._checked: dict[Path, CheckedFilter] = {}
        self._is_lost = False
        stamps = self._stamps_now()
        change = self._read(list(stamps), {})
        if change.problems and not skip_bad:
            raise InputError("\n".join(map(str, change.problems)))
        for problem in change.problems:
            _log.error("filter left out: %s", problem)
        self._adopt(stamps, change.checked)

    @property
    def filters(self) -> tuple[Filter, ...]:
        """Filters by name; `MATCHES` has indices into it."""
        return tuple(one.filter for one in self._in_order)

    @property
    def session(self) -> SparkSession:
        """Session in which filters are evaluated: ANSI off."""
        return self._checker.session

    def reload(self) -> bool:
        """Read files that were added, changed or removed; call it between two batches.

        A file that cannot be used leaves its old filter in place and is logged once.

        Returns
        -------
        bool
            Whether the set has changed.
        """
        try:
            stamps = self._stamps_now()
        except InputError as error:
            if not self._is_lost:
                _log.error("the filters stay as they are: %s", error)
            self._is_lost = True
            return False
        self._is_lost = False
        if stamps == self._stamps:
            return False
        changed = [path for path, stamp in stamps.items() if self._stamps.get(path) != stamp]
        staying = {path: one for path, one in self._checked.items() if path in stamps}
        change = self._read(changed, staying)
        for problem in change.problems:
            _log.error("filter not taken, the old one stays if there is one: %s", problem)
        before = self.filters
        self._adopt(stamps, change.checked)
        return before != self.filters

    def evaluate(self, rows: DataFrame) -> DataFrame:
        """Add the column `MATCHES` to science rows that were read with the declared schema."""
        return move(rows, self.session).withColumn(MATCHES, self._matches)

    def keep(self, texts: FilterTexts) -> None:
        """Keep the text of each filter under its digest, where it is not kept yet."""
        for one in self._in_order:
            texts.keep(one.filter.digest, one.file.text)

    def _stamps_now(self) -> dict[Path, _Stamp]:
        """Modification time, size and inode of each file, to see that it has changed."""
        stamps = {}
        for path in self._folders.files(self._checker.survey):
            with suppress(FileNotFoundError):  # gone since the folder was listed
                status = path.stat()
                stamps[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return stamps

    def _read(self, paths: list[Path], staying: dict[Path, CheckedFilter]) -> _Change:
        """Read and check files; one that cannot be used leaves the old filter."""
        checked, new, problems = dict(staying), list[CheckedFilter](), list[InputError]()
        for path in paths:
            try:
                file = self._folders.read(path)
                if file.filter.survey != self._checker.survey:
                    checked.pop(path, None)
                    continue
                checked[path] = self._checker.check(file)
                new.append(checked[path])
            except InputError as error:
                problems.append(error)
        failed = self._checker.try_out(new)
        duplicates = duplicate_names([one.file for one in checked.values()])
        for one in new:
            path = one.file.path
            problem = duplicates.get(path) or failed.get(one.filter.name)
            if problem is not None:
                problems.append(problem)
                _restore(checked, path, staying.get(path))
        return _Change(checked, problems)

    def _adopt(self, stamps: dict[Path, _Stamp], checked: dict[Path, CheckedFilter]) -> None:
        for path, one in checked.items():
            if self._checked.get(path) is not one:
                _log.info("filter %s (%s): %s", one.filter.name, one.filter.digest, path)
                for warning in one.warnings:
                    _log.warning("%s", warning)
        for path, one in self._checked.items():
            if path not in checked:
                _log.info("filter %s is gone with its file %s", one.filter.name, path)
        self._stamps, self._checked = stamps, checked
        self._in_order = sorted(checked.values(), key=lambda one: one.filter.name)
        self._matches = self._matches_column()

    def _matches_column(self) -> Column:
        """One expression for all filters; building it takes one call to Java per filter."""
        matches = [one.match(self.session, index) for index, one in enumerate(self._in_order)]
        if not matches:
            return F.array().cast("array<int>")
        # Unlike array_compact, array_remove is compiled, and with it all conditions.
        return F.array_remove(F.array(*matches), F.lit(NO_MATCH))


def _restore(checked: dict[Path, CheckedFilter], path: Path, old: CheckedFilter | None) -> None:
    if old is None:
        checked.pop(path)
    else:
        checked[path] = old
