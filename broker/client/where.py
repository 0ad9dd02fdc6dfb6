"""Selection of alerts by an expression on fields: ``candidate.drb > 0.5 and not is_dwarf``.

Python or SQL spelling, SQL meaning: what is computed from null is null, and an alert is chosen
only when the whole expression is true. The text is parsed, never run: comparisons, ``and or not``,
``in``, ``between``, ``is null``, arithmetic, ``abs``, ``coalesce`` and ``len`` are all there is.
A survey's 4-byte floats are compared as the doubles that they become, 0.4 as 0.4000000059…, so just
at a cut a filter, which compares floats with floats, may decide otherwise.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from broker.errors import UsageError
from broker.nearest import nearest_path
from broker.packets.fields import value_at

Evaluate = Callable[[Mapping[str, Any]], Any]

_NUMERIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, items: value in items,
    ast.NotIn: lambda value, items: value not in items,
}
# What BETWEEN is about: a field, a call or something in brackets.
_OPERAND = r"(\w*\([^()]*\)|[\w.]+)"
_ARITHMETIC_BETWEEN = re.compile(rf"[-+*/%]\s*{_OPERAND}\s+(NOT\s+)?BETWEEN\b", re.IGNORECASE)
# SQL words outside of quotes, in this order.
_SQL = (
    (r"\bIS\s+NOT\s+NULL\b", " is not None"),
    (r"\bIS\s+NULL\b", " is None"),
    (_OPERAND + r"\s+NOT\s+BETWEEN\s+(\S+)\s+AND\s+([^\s)]+)", r"not (\2 <= \1 <= \3)"),
    (_OPERAND + r"\s+BETWEEN\s+(\S+)\s+AND\s+([^\s)]+)", r"(\2 <= \1 <= \3)"),
    (r"\b(AND|OR|NOT|IN)\b", lambda match: match[1].lower()),
    (r"\bNULL\b", "None"),
    (r"\bTRUE\b", "True"),
    (r"\bFALSE\b", "False"),
    (r"<>", "!="),
    (r"(?<![<>!=])=(?!=)", "=="),
)
_QUOTED = re.compile(r"""('(?:[^']|'')*'|"[^"]*")""")


class Where:
    """A parsed expression.

    Parameters
    ----------
    text
        Such as ``candidate.drb > 0.5 and candidate.isdiffpos == 't'``.

    Attributes
    ----------
    text
        As given.
    fields
        Dotted paths of the fields it names.

    Raises
    ------
    UsageError
        The text is not an expression, or one that is not offered.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields: list[str] = []
        try:
            tree = ast.parse(_from_sql(text).strip(), mode="eval")
            self._evaluate = self._compile(tree.body)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            raise UsageError(
                f"cannot read the expression {text!r}: {reason}; write, for example, "
                "\"candidate.drb > 0.5 and candidate.isdiffpos == 't'\""
            ) from None

    def __call__(self, record: Mapping[str, Any]) -> bool:
        """Tell whether an alert is chosen; null is no."""
        return self._truth(self._evaluate(record)) is True

    def unknown_field(self, known: Sequence[str]) -> str | None:
        """First field that is not among the known ones."""
        return next((path for path in self.fields if path not in known), None)

    def _compile(self, node: ast.expr) -> Evaluate:
        compilers: dict[type[ast.expr], Callable[[Any], Evaluate]] = {
            ast.Constant: self._constant,
            ast.Name: self._field,
            ast.Attribute: self._field,
            ast.BoolOp: self._any_or_all,
            ast.UnaryOp: self._unary,
            ast.Compare: self._comparison,
            ast.BinOp: self._arithmetic,
            ast.Call: self._call,
        }
        if type(node) not in compilers:
            raise _not_offered(node)
        return compilers[type(node)](node)

    def _constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if value is not None and not isinstance(value, bool | int | float | str):
            raise _not_offered(node)
        return lambda _record: value

    def _field(self, node: ast.Name | ast.Attribute) -> Evaluate:
        path = ast.unparse(node)
        if not all(name.isidentifier() for name in path.split(".")):
            raise ValueError(f"{path!r} is not a field")
        self.fields.append(path)
        return lambda record: value_at(record, path)

    def _any_or_all(self, node: ast.BoolOp) -> Evaluate:
        parts = [self._compile(value) for value in node.values]
        decisive = isinstance(node.op, ast.Or)

        def combined(record: Mapping[str, Any]) -> bool | None:
            truths = []
            for part in parts:
                truth = self._truth(part(record))
                if truth is decisive:
                    return decisive
                truths.append(truth)
            return None if None in truths else not decisive

        return combined

    def _unary(self, node: ast.UnaryOp) -> Evaluate:
        operand = self._compile(node.operand)
        if isinstance(node.op, ast.Not):
            opposite = {True: False, False: True, None: None}
            return lambda record: opposite[self._truth(operand(record))]
        if isinstance(node.op, ast.USub):
            return lambda record: self._number(operator.sub, 0, operand(record))
        raise _not_offered(node)

    def _comparison(self, node: ast.Compare) -> Evaluate:
        operands = [self._compile(node.left)]
        for op, item in zip(node.ops, node.comparators, strict=True):
            is_null = isinstance(item, ast.Constant) and item.value is None
            if isinstance(op, ast.Is | ast.IsNot) and not is_null:
                raise ValueError("'is' goes with null only; compare values with ==")
            listed = isinstance(op, ast.In | ast.NotIn)
            operands.append(self._listed(item) if listed else self._compile(item))
        steps = list(zip(operands, node.ops, operands[1:], strict=False))

        def compared(record: Mapping[str, Any]) -> bool | None:
            truths = [self._compare(op, left(record), right(record)) for left, op, right in steps]
            return False if False in truths else None if None in truths else True

        return compared

    def _compare(self, op: ast.cmpop, left: Any, right: Any) -> bool | None:
        if isinstance(op, ast.Is | ast.IsNot):
            return (left is right) is isinstance(op, ast.Is)
        if left is None or right is None:
            return None
        try:
            return _COMPARISONS[type(op)](left, right)
        except TypeError:
            raise self._unfit(f"compares {_kind(left)} with {_kind(right)}") from None

    def _arithmetic(self, node: ast.BinOp) -> Evaluate:
        if type(node.op) not in _NUMERIC:
            raise _not_offered(node)
        left, right = self._compile(node.left), self._compile(node.right)
        function = _NUMERIC[type(node.op)]
        return lambda record: self._number(function, left(record), right(record))

    def _number(self, function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        if left is None or right is None:
            return None
        for value in (left, right):
            if not isinstance(value, int | float):
                raise self._unfit(f"calculates with {_kind(value)}")
        try:
            return function(left, right)
        except (ZeroDivisionError, OverflowError):
            return None

    def _call(self, node: ast.Call) -> Evaluate:
        name = ast.unparse(node.func).lower()
        arguments = [self._compile(argument) for argument in node.args]
        if name == "coalesce" and arguments and not node.keywords:
            return lambda record: next(
                (value for item in arguments if (value := item(record)) is not None), None
            )
        if name in ("abs", "len") and len(arguments) == 1 and not node.keywords:
            function: Callable[[Any], Any] = abs if name == "abs" else len
            return lambda record: self._applied(function, name, arguments[0](record))
        raise ValueError(f"{ast.unparse(node)!r}: the functions are abs, coalesce and len")

    def _applied(self, function: Callable[[Any], Any], name: str, value: Any) -> Any:
        try:
            return None if value is None else function(value)
        except TypeError:
            raise self._unfit(f"takes {name}() of {_kind(value)}") from None

    def _listed(self, node: ast.expr) -> Evaluate:
        """Values on the right of ``in``; ('a') is a list of one, as in SQL."""
        items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
        values = tuple(ast.literal_eval(item) for item in items)
        return lambda _record: values

    def _truth(self, value: Any) -> bool | None:
        if value is None or isinstance(value, bool):
            return value
        raise self._unfit(f"asks whether {_kind(value)} is true")

    def _unfit(self, what: str) -> UsageError:
        return UsageError(f"the expression {self.text!r} {what}")


def unknown_field_error(where: Where, field: str, known: Sequence[str]) -> UsageError:
    """Build the error for a field that no alert has, with the nearest that they have."""
    near = nearest_path(field, known)
    hint = f"; did you mean {near}?" if near is not None else ""
    return UsageError(
        f"the expression {where.text!r} names {field}, which the alerts do not have{hint}"
    )


def _from_sql(text: str) -> str:
    """Rewrite SQL words and signs as Python's, except in quoted text."""
    quoted: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        # A doubled quote is one quote, and a backslash nothing special.
        sign = match[0][0]
        quoted.append(repr(match[0][1:-1].replace(sign * 2, sign)))
        return f"__quoted_{len(quoted) - 1}__"

    bare = _QUOTED.sub(put_aside, text.replace("\n", " "))
    if _ARITHMETIC_BETWEEN.search(bare):
        raise ValueError("the operand of BETWEEN needs brackets: (a - b) between 0 and 2")
    for pattern, replacement in _SQL:
        bare = re.sub(pattern, replacement, bare, flags=re.IGNORECASE)
    if re.search(r"\bBETWEEN\b", bare, re.IGNORECASE):
        raise ValueError("this BETWEEN cannot be read; write low <= x and x <= high")
    return re.sub(r"__quoted_(\d+)__", lambda match: quoted[int(match[1])], bare)


def _not_offered(node: ast.expr) -> ValueError:
    return ValueError(f"{ast.unparse(node)!r} is not offered here")


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a record"
    if isinstance(value, list):
        return "a list"
    return "bytes" if isinstance(value, bytes) else f"the value {value!r}"
