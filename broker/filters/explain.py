"""Spark's errors about a where, said to the filter's author: place, cause, nearest column."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.errors import PySparkException

from broker.errors import InputError
from broker.filters.definition import FilterFile
from broker.filters.refused import AGGREGATE
from broker.filters.tree import Tree
from broker.nearest import nearest_path

_GROUPING = ("MISSING_GROUP_BY", "MISSING_AGGREGATION", "UNSUPPORTED_GROUPING_EXPRESSION")


def explained(file: FilterFile, error: PySparkException, paths: Sequence[str]) -> InputError:
    """Return the error to raise for one of Spark's.

    Parameters
    ----------
    paths
        All columns and fields that there are.
    """
    condition = error.getCondition() or ""
    fragment, start = _culprit(file.filter.where, error)
    place = file.place(start)
    if condition.startswith(("UNRESOLVED_COLUMN", "FIELD_NOT_FOUND")):
        near = nearest_path(fragment, paths)
        hint = f"; did you mean {near}?" if near else ""
        return InputError(f"{place}: {file.filter.survey} has no column {fragment}{hint}")
    if condition == "UNRESOLVED_ROUTINE":
        return InputError(f"{place}: Spark has no function {fragment.partition('(')[0]}")
    if condition.startswith(_GROUPING):
        return InputError(f"{place}: the where is refused: {AGGREGATE}")
    return InputError(f"{place}: {first_sentence(error)}")


def more_than_one_condition(file: FilterFile, parsed: Tree) -> InputError:
    """Return the error for ``mag < 18 is_real``, which Spark takes for a name of the result."""
    where = file.filter.where
    children = parsed.root.children
    stop = parsed.span(children[0])[1] if children else 0
    rest = where[stop:].strip()
    place = file.place(stop + len(where[stop:]) - len(where[stop:].lstrip()))
    return InputError(f"{place}: expected one condition, so {rest!r} is out of place")


def first_sentence(error: PySparkException) -> str:
    """Spark's message without its code, its advice, its plan and its state number."""
    text = str(error).strip().partition("\n")[0]
    text = re.sub(r"^\[[\w.]+\]\s*", "", text)
    text = re.sub(r"\s*(SQLSTATE: \w+.*|\(line \d+, pos \d+\).*)$", "", text)
    # The type of a record names all its fields.
    text = re.sub(r'"((?:STRUCT|ARRAY)<[^"]{40})[^"]*"', r'"\1…"', text.partition(". ")[0])
    return text.rstrip(".: ")


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
