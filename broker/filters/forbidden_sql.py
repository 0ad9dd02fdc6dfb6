"""Refused expressions: parts that a filter must not contain, found in the analysed tree.

A filter is one deterministic expression of one row: its result for an alert does not depend on
user, time or machine, and no filter can stop the stream for the others.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from broker.filters.tree import Node, Tree

_PACKAGE = "org.apache.spark.sql.catalyst.expressions"
_SUBQUERY = "a subquery reads other tables; a filter sees one alert"
AGGREGATE = "an aggregate is over many alerts; a filter sees one"
_WINDOW = "a window function is over many alerts; a filter sees one"
_SEVERAL = "it makes several rows of one alert"
_JAVA = "it calls Java code"
_RAISES = "it stops the stream, for all filters"
_CLOCK = "the clock reads differently in every run; use science_at or mjd"
_WHO = "it depends on who runs it and where"
_STORED = "it depends on how the rows are stored"
_RANDOM = "it is random; a fixed sample is alert_id % 113 = 0"
_REGEX = "a regular expression can take unlimited time on one alert; use LIKE"
_MEMORY = "it can fill the memory from one alert"

_WORD_OF_TIME = re.compile(
    r"""['"]\s*(now|today|tomorrow|yesterday)(\s+\S+)?\s*['"]""", re.IGNORECASE
)

# The first match counts; a trait matches all classes that have it.
_REASONS = {
    "PlanExpression": _SUBQUERY,
    "aggregate.AggregateFunction": AGGREGATE,
    "WindowExpression": _WINDOW,
    "WindowFunction": _WINDOW,
    "Generator": _SEVERAL,
    "UserDefinedExpression": "it is a user-defined function, which only this process knows",
    "CallMethodViaReflection": _JAVA,
    "TryReflect": _JAVA,
    "RaiseError": _RAISES,
    "AssertTrue": _RAISES,
    "CurrentTimestampLike": _CLOCK,
    "CurrentDate": _CLOCK,
    "CurrentTime": _CLOCK,
    "LocalTimestamp": _CLOCK,
    "CurrentTimeZone": _WHO,
    "CurrentDatabase": _WHO,
    "CurrentCatalog": _WHO,
    "CurrentUser": _WHO,
    "SparkVersion": _WHO,
    "InputFileName": _STORED,
    "InputFileBlockStart": _STORED,
    "InputFileBlockLength": _STORED,
    "SparkPartitionID": _STORED,
    "MonotonicallyIncreasingID": _STORED,
    "AesEncrypt": _RANDOM,
    "Uniform": _RANDOM,
    "RandStr": _RANDOM,
    "ExpressionWithRandomSeed": _RANDOM,
    "Nondeterministic": _RANDOM,
    "RLike": _REGEX,
    "RegExpReplace": _REGEX,
    "RegExpExtractBase": _REGEX,
    "RegExpCount": _REGEX,
    "RegExpSubStr": _REGEX,
    "StringSplit": _REGEX,
    "StringRepeat": _MEMORY,
    "StringSpace": _MEMORY,
    "StringLPad": _MEMORY,
    "StringRPad": _MEMORY,
    "Sequence": _MEMORY,
    "ArrayRepeat": _MEMORY,
}


def find_refused(tree: Tree, classes: Any) -> tuple[Node, str] | None:
    """Find the first node that a filter must not contain, with the reason.

    Parameters
    ----------
    tree
        Analysed expression.
    classes
        Gateway to Java classes by their names.
    """
    words_of_time = _words_of_time(tree)
    for node in tree.nodes:
        reason = _CLOCK if node in words_of_time else _reason(node.java_class, classes)
        if reason is not None:
            return node, reason
    return None if tree.expression.deterministic() else (tree.root, _RANDOM)


def _words_of_time(tree: Tree) -> set[Node]:
    """Find literals such as ``TIMESTAMP 'now'``, and texts that Spark reads as those."""
    if not _WORD_OF_TIME.search(tree.text):
        return set()
    literals = (node for node in tree.nodes if node.kind == "Literal")
    return {node for node in literals if _WORD_OF_TIME.search(tree.fragment(node))}


@cache
def _reason(java_class: str, classes: Any) -> str | None:
    found = _class(java_class, classes)
    for name, reason in _REASONS.items():
        if _class(f"{_PACKAGE}.{name}", classes).isAssignableFrom(found):
            return reason
    return None


@cache
def _class(name: str, classes: Any) -> Any:
    loader = classes.Thread.currentThread().getContextClassLoader()
    return classes.java.lang.Class.forName(name, False, loader)
