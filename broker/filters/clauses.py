"""AND clauses of a where, split by Spark's own tree, not by the word AND in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import Column, SparkSession

from broker.filters.check import CheckedFilter
from broker.filters.tree import Node, Tree
from broker.spark.jvm import guarded


@dataclass(frozen=True)
class Clause:
    """One of the conditions that must all hold.

    Attributes
    ----------
    text
        As written, on one line.
    condition
        Whether it holds for an alert; null where it cannot be computed.
    paths
        Columns that it reads, without duplicates.
    """

    text: str
    condition: Column
    paths: tuple[str, ...]


def split_clauses(checked: CheckedFilter, session: SparkSession) -> list[Clause]:
    """Split a filter into its clauses, in the order in which they are written."""
    written, evaluated = checked.parsed, checked.evaluated
    pairs = zip(_clauses(written.root), _clauses(evaluated.root), strict=True)
    return [
        Clause(
            written.fragment(node),
            guarded(session, twin.java),
            tuple(dict.fromkeys(_paths(written, node))),
        )
        for node, twin in pairs
    ]


def _clauses(node: Node) -> Iterator[Node]:
    if node.kind != "And":
        yield node
        return
    for child in node.children:
        yield from _clauses(child)


def _paths(tree: Tree, clause: Node) -> Iterator[str]:
    for node in clause.all():
        if node.kind == "UnresolvedAttribute":
            yield tree.fragment(node)
