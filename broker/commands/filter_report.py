"""Tables that the filter commands print."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from broker.commands.terminal_table import show, table

if TYPE_CHECKING:
    from broker.filters.backtest import BackTest, ChangedObject, ClauseValue
    from broker.filters.definition import Filter
    from broker.surveys import Survey

_SHOWN = 20
_MARKS = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("?", "yellow")}


def show_filters(filters: Iterable[Filter]) -> None:
    """Print one row per filter: name, max_share, payload, owner and description."""
    headings = ("survey", "name", "max_share", "payload", "owner", "description")
    rows = [
        (
            *(one.survey, one.name, f"{100 * one.max_share:g}%"),
            *(one.payload, one.owner, one.description),
        )
        for one in sorted(filters, key=lambda f: (f.survey, f.name))
    ]
    show(table(headings, rows, numbers=("max_share",), texts=("description",)))


def show_back_test(result: BackTest, survey: Survey) -> None:
    """Print nights, clauses and a few objects of a back-test."""
    show(_nights(result))
    print()
    show(_clauses(result))
    if not result.examples:
        return
    rows = [
        (
            *(one.object_id, str(one.alerts), str(one.first_night), str(one.first_alert_id)),
            survey.object_page.format(object_id=one.object_id),
        )
        for one in result.examples
    ]
    print()
    headings = ("example", "alerts", "first night", "first alert", "page")
    show(table(headings, rows, numbers=("alerts",)))


def show_changed(changed: Sequence[ChangedObject], old: str, new: str) -> None:
    """Print objects gained and lost, under the deciding clause."""
    console = Console(highlight=False)
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
    rows = [
        (
            _MARKS[one.value],
            one.text,
            ", ".join(f"{path} = {_shown(value)}" for path, value in one.columns.items()),
        )
        for one in values
    ]
    show(table(("", "clause", "columns"), rows, texts=("clause", "columns")))
    failed = [one for one in values if one.value is not True]
    if not failed:
        print(f"alert {alert_id} passes {name}")
        return
    null = sum(one.value is None for one in failed)
    unknown = f", {null} because a column is null" if null else ""
    fail = "1 clause fails" if len(failed) == 1 else f"{len(failed)} clauses fail"
    print(f"alert {alert_id} does not pass {name}: {fail}{unknown}")


def _nights(result: BackTest) -> Table:
    numbers = ("alerts", "objects", "pass", "objects that pass", "share")
    rows = [
        (
            *(str(night.night), str(night.alerts), str(night.objects)),
            *(str(night.passed_alerts), str(night.passed_objects)),
            f"{night.passed_alerts / night.alerts:.2%}",
        )
        for night in result.nights
    ]
    totals = (str(result.alerts), "", str(result.passed), str(result.objects))
    return table(
        ("night", *numbers), [*rows, ("all", *totals, f"{result.share:.2%}")], numbers=numbers
    )


def _clauses(result: BackTest) -> Table:
    rows, left = [], result.alerts
    for clause in result.clauses:
        left -= clause.in_order
        counts = (clause.alone, clause.in_order, clause.null, left)
        rows.append((clause.text, *map(str, counts)))
    numbers = ("removes by itself", "in order", "null", "left")
    return table(("clause", *numbers), rows, numbers=numbers, texts=("clause",))


def _shown(value: Any) -> str:
    """Shortest text of a value: 4-byte floats with their own digits."""
    if isinstance(value, float) and float(np.float32(value)) == value:
        return str(np.float32(value))
    text = str(value)
    return text if len(text) <= _SHOWN * 4 else f"{text[: _SHOWN * 4]}…"
