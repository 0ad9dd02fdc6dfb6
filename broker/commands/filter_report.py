"""Tables that the filter commands print."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from broker.filters.backtest import BackTest, ChangedObject, ClauseValue
    from broker.filters.definition import Filter
    from broker.surveys import Survey

_SHOWN = 20
_LONG = ("description", "clause", "columns")
_FILE_WIDTH = 160
_MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]?[/]"}


def show_filters(filters: Iterable[Filter]) -> None:
    """Print one row per filter: name, max_share, payload, owner and description."""
    table = _table("survey", "name", "max_share", "payload", "owner", "description")
    for one in sorted(filters, key=lambda f: (f.survey, f.name)):
        cells = (one.survey, one.name, f"{100 * one.max_share:g}%", one.payload, one.owner)
        table.add_row(*map(escape, (*cells, one.description)))
    _console().print(table)


def show_back_test(result: BackTest, survey: Survey) -> None:
    """Print nights, clauses and a few objects of a back-test."""
    console = _console()
    console.print(_nights(result), _clauses(result))
    objects = _table("example", "alerts", "first night", "first alert", "page")
    for one in result.examples:
        page = survey.object_page.format(object_id=one.object_id)
        first = (str(one.first_night), str(one.first_alert_id))
        objects.add_row(escape(one.object_id), str(one.alerts), *first, page)
    if result.examples:
        console.print(objects, soft_wrap=True)


def show_changed(changed: Sequence[ChangedObject], old: str, new: str) -> None:
    """Print objects gained and lost, under the deciding clause."""
    console = _console()
    by_clause: dict[tuple[bool, str], list[ChangedObject]] = defaultdict(list)
    for one in changed:
        by_clause[one.gained, one.clause].append(one)
    gained = sum(one.gained for one in changed)
    console.print(
        f"objects that {new} finds and {old} does not: {gained}; the reverse: "
        f"{len(changed) - gained}",
        soft_wrap=True,
    )
    for (is_gain, clause), objects in by_clause.items():
        what = f"gained; {old}" if is_gain else f"lost; {new}"
        line = f"\n[bold]{len(objects)} {escape(what)} refuses them for[/] {escape(clause)}"
        console.print(line, soft_wrap=True)
        for one in objects[:_SHOWN]:
            console.print(f"  {escape(one.object_id)}  alert {one.alert_id}  night {one.night}")
        if len(objects) > _SHOWN:
            console.print(f"  … and {len(objects) - _SHOWN} more (--json)")


def show_why(values: Sequence[ClauseValue], alert_id: int, name: str) -> None:
    """Print each clause with its value and the values of its columns."""
    table = _table("", "clause", "columns")
    for one in values:
        columns = ", ".join(f"{path} = {_shown(value)}" for path, value in one.columns.items())
        table.add_row(_MARKS[one.value], escape(one.text), escape(columns))
    console = _console()
    console.print(table)
    failed = [one for one in values if one.value is not True]
    if not failed:
        console.print(f"alert {alert_id} passes {name}")
        return
    null = sum(one.value is None for one in failed)
    unknown = f", {null} because a column is null" if null else ""
    fail = "1 clause fails" if len(failed) == 1 else f"{len(failed)} clauses fail"
    console.print(f"alert {alert_id} does not pass {name}: {fail}{unknown}")


def _nights(result: BackTest) -> Table:
    table = _table("night", "alerts", "objects", "pass", "objects that pass", "share")
    for night in result.nights:
        counts = (night.alerts, night.objects, night.passed_alerts, night.passed_objects)
        share = night.passed_alerts / night.alerts
        table.add_row(str(night.night), *map(str, counts), f"{share:.2%}")
    table.add_section()
    totals = (str(result.alerts), "", str(result.passed), str(result.objects))
    table.add_row("all", *totals, f"{result.share:.2%}")
    return table


def _clauses(result: BackTest) -> Table:
    table = _table("clause", "removes by itself", "in order", "null", "left")
    left = result.alerts
    for clause in result.clauses:
        left -= clause.in_order
        counts = (clause.alone, clause.in_order, clause.null, left)
        table.add_row(escape(clause.text), *map(str, counts))
    return table


def _shown(value: Any) -> str:
    """Shortest text of a value: 4-byte floats with their own digits."""
    if isinstance(value, float) and float(np.float32(value)) == value:
        return str(np.float32(value))
    text = str(value)
    return text if len(text) <= _SHOWN * 4 else f"{text[: _SHOWN * 4]}…"


def _table(*headings: str) -> Table:
    """Make a plain table in which only long texts are wrapped."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading not in _LONG)
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)
