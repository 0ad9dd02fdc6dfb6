"""Alerts as text for a terminal: one as JSON, or one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from broker.client.identity import alert_id_of, object_id_of, paths_of
from broker.packets.fields import value_at
from broker.strict_json import as_strict_json

_MOST_COLUMNS = 8
# An object's name and an alert's id, as ZTF has them.
_ID_WIDTHS = (12, 19)
# Larger integers are ids of something, and the line starts with the ids that count.
_SMALLEST_ID = 2**31


def as_json(record: Mapping[str, Any]) -> str:
    """Record as sorted JSON, indent 4."""
    return as_strict_json(record, indent=4, sort_keys=True)


class BriefTable:
    """One line per alert, in columns that the first alert sets.

    The columns after the ids are fields of the packet under their own names, as ``--where``
    takes them (shown without the record they are in, when that is clear).
    """

    def __init__(self) -> None:
        self._paths: Sequence[str] | None = None
        self._widths: list[int] = []

    def lines(self, record: Mapping[str, Any]) -> list[str]:
        """Line of an alert; before the first, and where the kind of packet changes, a header."""
        known = paths_of(record)
        paths = known.brief if known is not None else _first_scalars(record)
        cells = [object_id_of(record) or "-", alert_id_of(record) or "-"]
        cells += [_cell(path, value_at(record, path)) for path in paths]
        if paths == self._paths:
            return [self._line(cells)]
        self._paths = paths
        header = ["object", "alert", *_short_names(paths)]
        # Numbers that follow may be one digit longer, or have a sign.
        least = [*_ID_WIDTHS, *(0 for _path in paths)]
        self._widths = [
            max(len(title), len(cell) + 1, width)
            for title, cell, width in zip(header, cells, least, strict=True)
        ]
        return [self._line(header), self._line(cells)]

    def _line(self, cells: Sequence[str]) -> str:
        left, right = cells[:2], cells[2:]
        parts = [cell.ljust(width) for cell, width in zip(left, self._widths, strict=False)]
        parts += [cell.rjust(width) for cell, width in zip(right, self._widths[2:], strict=True)]
        return " ".join(parts)


def _cell(path: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    # 5 decimals resolve a second of a Julian date and 0.04″ of a position.
    position = path.rpartition(".")[2].lower().startswith(("ra", "dec"))
    return f"{value:.{5 if position or abs(value) > 10_000 else 4}f}"


def _short_names(paths: Sequence[str]) -> list[str]:
    names = [path.rpartition(".")[2] for path in paths]
    return [
        path if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)
    ]


def _first_scalars(record: Mapping[str, Any]) -> list[str]:
    """Paths to show of a packet of an unknown survey: the first plain values it has."""
    top = [name for name, value in record.items() if _is_scalar(value)]
    inner = [
        f"{name}.{field}"
        for name, value in record.items()
        if isinstance(value, Mapping)
        for field, item in value.items()
        if _is_scalar(item)
    ]
    return (top + inner)[:_MOST_COLUMNS]


def _is_scalar(value: Any) -> bool:
    is_id = isinstance(value, int) and value >= _SMALLEST_ID
    return isinstance(value, int | float | str) and not is_id
