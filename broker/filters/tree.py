"""Spark's expression trees, seen from Python: kinds, children and places in the text.

One call brings the whole tree as JSON; a node's own Java object is fetched only when needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a tree; nodes are numbered parents first."""

    number: int
    java_class: str
    values: dict[str, Any]
    children: tuple[int, ...]

    @property
    def kind(self) -> str:
        """Class name without its package, such as ``GreaterThan``."""
        return self.java_class.rpartition(".")[2].rstrip("$")


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
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in their numbers' order."""
        records = json.loads(self.expression.toJSON())
        children: list[list[int]] = [[] for _ in records]
        open_parents: list[tuple[int, int]] = []
        for number, record in enumerate(records):
            if open_parents:
                parent, missing = open_parents.pop()
                children[parent].append(number)
                if missing > 1:
                    open_parents.append((parent, missing - 1))
            if record["num-children"]:
                open_parents.append((number, record["num-children"]))
        return tuple(
            Node(number, record["class"], record, tuple(children[number]))
            for number, record in enumerate(records)
        )

    @property
    def root(self) -> Node:
        """The whole expression."""
        return self.nodes[0]

    def children(self, node: Node) -> list[Node]:
        """Direct children, in order."""
        return [self.nodes[number] for number in node.children]

    def below(self, node: Node) -> Iterator[Node]:
        """Yield the node and all nodes below it."""
        yield node
        for child in self.children(node):
            yield from self.below(child)

    def java(self, node: Node) -> Any:
        """Catalyst's own object."""
        return self.expression.apply(node.number)

    def type_name(self, node: Node) -> str:
        """Name of the type of an analysed node, such as ``float`` or ``decimal(3,1)``."""
        known = node.values.get("dataType")
        return known if isinstance(known, str) else str(self.java(node).dataType().typeName())

    def span(self, node: Node) -> tuple[int, int]:
        """First character of the node's text and the one after its last; (0, 0) without text.

        A comparison's own place begins at its sign, so its children's places count too, and then
        as many brackets as it takes to close what is open.
        """
        places = [place for n in self.below(node) if (place := self._place(n)) is not None]
        if not places:
            return 0, 0
        return _balanced(self.text, min(p[0] for p in places), max(p[1] for p in places))

    def fragment(self, node: Node) -> str:
        """Return the node's text, white space evened out."""
        start, stop = self.span(node)
        return " ".join(self.text[start:stop].split())

    def _place(self, node: Node) -> tuple[int, int] | None:
        origin = self.java(node).origin()
        first, last = origin.startIndex(), origin.stopIndex()
        return (first.get(), last.get() + 1) if first.isDefined() and last.isDefined() else None


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
