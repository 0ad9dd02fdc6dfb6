"""Tables on the terminal and in pipes: bold headings, columns two blanks apart, no value cut."""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterable, Sequence

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_BLANKS = (0, 2, 0, 0)
_ENDLESS = 1_000_000


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    numbers: Collection[str] = (),
    texts: Collection[str] = (),
    header: bool = True,
) -> Table:
    """Table of cells, which are plain text or have a style.

    Parameters
    ----------
    headings
        One for each column.
    rows
        Cells, as many as headings.
    numbers
        Headings of columns that are aligned to the right.
    texts
        Headings of columns that may be wrapped where a terminal is narrow.
    header
        Show the headings.
    """
    made = Table(box=None, padding=_BLANKS, pad_edge=False, header_style="bold", show_header=header)
    for heading in headings:
        made.add_column(
            Text(heading),
            justify="right" if heading in numbers else "left",
            no_wrap=heading not in texts,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return made


def counts(name: str, value: str, rows: Iterable[tuple[str, str]]) -> Table:
    """Table of two columns, of which the second is a number; ``none`` where it is empty."""
    return table((name, value), list(rows) or [("none", "")], numbers=(value,))


def show(*tables: Table, side_by_side: bool = False) -> None:
    """Print tables; where a line needs more than the terminal's width, it is longer."""
    console = Console(highlight=False)
    if console.is_terminal:
        _print(console, tables, side_by_side)
    else:
        sys.stdout.write(as_text(*tables, side_by_side=side_by_side))


def as_text(*tables: Table, side_by_side: bool = False) -> str:
    """Lines of tables without styles, as a pipe or a file gets them."""
    stream = io.StringIO()
    _print(Console(file=stream, highlight=False, color_system=None), tables, side_by_side)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def _print(console: Console, tables: Sequence[Table], side_by_side: bool) -> None:
    options = console.options.update(max_width=_ENDLESS)
    console.width = max(console.width, *(_width(console, options, one) for one in tables))
    shown: Sequence[RenderableType] = tables
    if side_by_side:
        shown = [Columns(tables, padding=(0, 4))]
    console.print(*shown)


def _width(console: Console, options: ConsoleOptions, one: Table) -> int:
    """Columns that a table needs: on a terminal its texts are wrapped."""
    span = Measurement.get(console, options, one)
    return span.minimum if console.is_terminal else span.maximum
