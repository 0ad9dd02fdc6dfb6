"""Spark's expression trees in Python: each node's kind, children and span in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, eq=False)
class Node:
    """Node of an expression tree.

    Attributes
    ----------
    java
        Catalyst's own object.
    """

    java: Any
    java_class: str
    children: tuple[Node, ...]

    @property
    def kind(self) -> str:
        """Class name without its package, such as ``GreaterThan``."""
        return self.java_class.rpartition(".")[2].rstrip("$")

    @property
    def type_name(self) -> str:
        """Name of the type of an analysed node, such as ``float`` or ``decimal(3,1)``."""
        return str(self.java.dataType().typeName())

    @cached_property
    def own_span(self) -> tuple[int, int] | None:
        """Start and end, exclusive, of its own text; of a comparison, of its sign only."""
        origin = self.java.origin()
        first, last = origin.startIndex(), origin.stopIndex()
        return (first.get(), last.get() + 1) if first.isDefined() and last.isDefined() else None

    def all(self) -> Iterator[Node]:
        """Yield the node and all nodes below it, parents first."""
        yield self
        for child in self.children:
            yield from child.all()


class Tree:
    """Expression tree, parsed or analysed.

    Parameters
    ----------
    expression
        Catalyst's ``Expression``.
    text
        SQL that it was parsed from.
    """

    def __init__(self, expression: Any, text: str) -> None:
        self.expression = expression
        self.text = text

    @cached_property
    def root(self) -> Node:
        """The whole expression."""
        return _read(self.expression)

    @property
    def nodes(self) -> Iterator[Node]:
        """All nodes, parents first."""
        return self.root.all()

    def span(self, node: Node) -> tuple[int, int]:
        """Start and end, exclusive, of the node's text; (0, 0) without text.

        A comparison's own span is its sign, so the children's spans count too, and then as many
        brackets as are needed to close open ones.
        """
        spans = [span for n in node.all() if (span := n.own_span) is not None]
        if not spans:
            return 0, 0
        return _balanced(self.text, min(s[0] for s in spans), max(s[1] for s in spans))

    def fragment(self, node: Node) -> str:
        """Text of the node, with single spaces."""
        start, stop = self.span(node)
        return " ".join(self.text[start:stop].split())


def _read(expression: Any) -> Node:
    below = expression.children()
    children = tuple(_read(below.apply(k)) for k in range(below.size()))
    return Node(expression, expression.getClass().getName(), children)


def _balanced(text: str, start: int, stop: int) -> tuple[int, int]:
    before, after = _unmatched(text[start:stop])
    while before and start:
        start -= 1
        before -= (text[start] == "(") - (text[start] == ")")
    while after and stop < len(text):
        after -= (text[stop] == ")") - (text[stop] == "(")
        stop += 1
    return start, stop


def _unmatched(text: str) -> tuple[int, int]:
    """Count brackets that close none, and brackets that are never closed."""
    opened = closed = 0
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "(":
            opened += 1
        elif character == ")" and opened:
            opened -= 1
        elif character == ")":
            closed += 1
    return closed, opened
