"""Spark's expression trees, seen from Python: kinds, children and places in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a tree.

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
    def place(self) -> tuple[int, int] | None:
        """First character of its own text and the one after its last."""
        origin = self.java.origin()
        first, last = origin.startIndex(), origin.stopIndex()
        return (first.get(), last.get() + 1) if first.isDefined() and last.isDefined() else None

    def all(self) -> Iterator[Node]:
        """Yield the node and all nodes below it, parents first."""
        yield self
        for child in self.children:
            yield from child.all()


class Tree:
    """An expression, parsed or analysed.

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
        """First character of the node's text and the one after its last; (0, 0) without text.

        A comparison's own place begins at its sign, so its children's places count too, and then
        as many brackets as it takes to close what is open.
        """
        places = [place for n in node.all() if (place := n.place) is not None]
        if not places:
            return 0, 0
        return _balanced(self.text, min(p[0] for p in places), max(p[1] for p in places))

    def fragment(self, node: Node) -> str:
        """Return the node's text, white space evened out."""
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
    """Brackets that close without having been opened, and that open and stay so."""
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
