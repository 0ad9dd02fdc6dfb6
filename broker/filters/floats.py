"""Single precision: numbers that are compared with a float column become floats.

Surveys send many fields as 4-byte floats. 0.4 as a float is 0.4000000059…, so in Spark, which
widens both sides, ``candidate.classtar > 0.4`` holds for a value printed as 0.4. DuckDB and NumPy
compare floats with floats, as an author expects; here Spark is made to do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from broker.filters.tree import Node, Tree

# coalesce(drb, 0.3) > 0.2 needs two rounds; a nested CASE a few more.
_ROUNDS = 20


def with_float_numbers(where: str, analyse: Callable[[str], Tree]) -> str:
    """Cast each decimal number to float for which Spark would widen a float.

    Parameters
    ----------
    analyse
        Gives the analysed tree of an SQL text.
    """
    for _ in range(_ROUNDS):
        tree = analyse(where)
        spans = sorted({tree.span(node) for node in _widening(tree)}, reverse=True)
        if not spans:
            break
        for start, stop in spans:
            where = f"{where[:start]}CAST({where[start:stop]} AS FLOAT){where[stop:]}"
    return where


def _widening(tree: Tree) -> Iterator[Node]:
    """Yield decimal numbers that are combined with a float, so that Spark widens both."""
    for parent in tree.nodes:
        widened = {
            child: child.type_name
            for cast in parent.children
            if (child := _widened(cast)) is not None
        }
        if "float" in widened.values():
            whole = tree.span(parent)
            for node, type_name in widened.items():
                # 0.5BD has no span of its own: Spark gives it its parent's.
                if type_name.startswith("decimal") and tree.span(node) != whole:
                    yield node


def _widened(cast: Node) -> Node | None:
    """Operand of a cast to double that Spark added itself, else None."""
    if cast.kind != "Cast" or cast.type_name != "double" or is_asked_for(cast.java):
        return None
    return cast.children[0]


def is_asked_for(cast: Any) -> bool:
    """Whether a cast is written in the SQL, not one of Spark's own."""
    return bool(cast.getTagValue(cast.USER_SPECIFIED_CAST()).isDefined())
