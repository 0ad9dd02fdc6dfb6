"""Spark's errors about a where, as messages for authors: location, cause, nearest column."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.errors import PySparkException

from broker.errors import InputError
from broker.filters.definition import FilterFile
from broker.filters.forbidden_sql import AGGREGATE
from broker.filters.tree import Tree
from broker.nearest import nearest_path

_GROUPING = ("MISSING_GROUP_BY", "MISSING_AGGREGATION", "UNSUPPORTED_GROUPING_EXPRESSION")


def explained(file: FilterFile, error: PySparkException, paths: Sequence[str]) -> InputError:
    """Translate one of Spark's errors.

    Parameters
    ----------
    paths
        All columns and fields of the science table.
    """
    condition = error.getCondition() or ""
    fragment, start = _culprit(file.filter.where, error)
    location = file.location(start)
    if condition.startswith(("UNRESOLVED_COLUMN", "FIELD_NOT_FOUND")):
        near = nearest_path(fragment, paths)
        hint = f"; did you mean {near}?" if near else ""
        return InputError(f"{location}: {file.filter.survey} has no column {fragment}{hint}")
    if condition == "UNRESOLVED_ROUTINE":
        return InputError(f"{location}: Spark has no function {fragment.partition('(')[0]}")
    if condition.startswith(_GROUPING):
        return InputError(f"{location}: the where is refused: {AGGREGATE}")
    return InputError(f"{location}: {first_sentence(error)}")


def more_than_one_condition(file: FilterFile, parsed: Tree) -> InputError:
    """Error for ``mag < 18 is_real``, whose last word Spark reads as a name of the result."""
    where = file.filter.where
    children = parsed.root.children
    stop = parsed.span(children[0])[1] if children else 0
    rest = where[stop:].strip()
    location = file.location(stop + len(where[stop:]) - len(where[stop:].lstrip()))
    return InputError(f"{location}: expected one condition, so {rest!r} is out of place")


def first_sentence(error: PySparkException) -> str:
    """Spark's message without code, advice, plan and SQLSTATE."""
    text = str(error).strip().partition("\n")[0]
    text = re.sub(r"^\[[\w.]+\]\s*", "", text)
    text = re.sub(r"\s*(SQLSTATE: \w+.*|\(line \d+, pos \d+\).*)$", "", text)
    # The type of a record names all its fields.
    text = re.sub(r'"((?:STRUCT|ARRAY)<[^"]{40})[^"]*"', r'"\1…"', text.partition(". ")[0])
    return text.rstrip(".: ")


def _culprit(where: str, error: PySparkException) -> tuple[str, int]:
    """Fragment that an error is about, and its start in the where."""
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
