"""Spark's DDL for types as Arrow types, without a session: Spark's own parser needs a JVM."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from broker.errors import InputError

Part = TypeVar("Part")
_SIMPLE = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
}
_TOKEN = re.compile(r"\s*(\w+|[<>,:])")


def parse_type(text: str) -> pa.DataType:
    """Arrow type of a type in Spark's DDL.

    Raises
    ------
    InputError
        The text is no such type, or one that the science table doesn't have.

    Examples
    --------
    >>> parse_type("struct<rate: double, points: array<int>>")
    StructType(struct<rate: double, points: list<item: int32>>)
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise InputError(f"{text!r} is not a type in Spark's DDL")
    parser = _Parser(text, tokens)
    dtype = parser.type()
    parser.end()
    return dtype


class _Parser:
    def __init__(self, text: str, tokens: list[str]) -> None:
        self._text = text
        self._tokens = tokens

    def type(self) -> pa.DataType:
        """The next type."""
        word = self._next().lower()
        if word in _SIMPLE:
            return _SIMPLE[word]
        if word == "array":
            return pa.list_(*self._several(self.type, 1))
        if word == "map":
            return pa.map_(*self._several(self.type, 2))
        if word == "struct":
            return pa.struct(self._several(self._field))
        known = ", ".join(sorted({*_SIMPLE, "array<…>", "map<…>", "struct<…>"}))
        raise InputError(f"{self._text!r}: unknown type {word!r}; known: {known}")

    def end(self) -> None:
        """Refuse what follows a whole type."""
        if self._tokens:
            raise InputError(f"{self._text!r}: {self._tokens[0]!r} is too much")

    def _field(self) -> pa.Field:
        name = self._next()
        self._expect(":")
        return pa.field(name, self.type())

    def _several(self, read: Callable[[], Part], count: int | None = None) -> list[Part]:
        """Parts between angle brackets, separated by commas."""
        self._expect("<")
        parts = [read()]
        while (token := self._next()) == ",":
            parts.append(read())
        if token != ">" or count not in (None, len(parts)):
            raise InputError(f"{self._text!r}: {token!r} after {len(parts)} parts of a type")
        return parts

    def _next(self) -> str:
        if not self._tokens:
            raise InputError(f"{self._text!r} ends too early")
        return self._tokens.pop(0)

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise InputError(f"{self._text!r}: {found!r} where {token!r} belongs")
