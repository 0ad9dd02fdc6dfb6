"""``nightjar diff``: what another version of a night's science has changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker.commands.options import NIGHTS, ConfOption, JsonOption, SetOption, SurveyOption
from broker.errors import CheckFailed
from broker.nights import parse_one_night
from broker.plural import counted
from broker.settings import load_settings
from broker.strict_json import as_strict_json
from broker.tables.storage import Storage

if TYPE_CHECKING:
    from broker.archive.diff import ColumnDiff, NightDiff


def main(
    night: Annotated[str, NIGHTS],
    survey: SurveyOption = None,
    as_json: JsonOption = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Compare one night with the version that it replaced; exit 1 on a difference.

    Batch times and the broker's version are left out.
    """
    from broker.archive.diff import diff_with_last_version

    storage = Storage(load_settings(survey, conf, words).survey_root)
    diff = diff_with_last_version(storage, parse_one_night(night))
    if as_json:
        typer.echo(as_strict_json({**asdict(diff), "is_empty": diff.is_empty}, indent=2))
    else:
        show_diff(diff)
    if not diff.is_empty:
        raise CheckFailed(f"night {diff.night}: the two versions differ")


def show_diff(diff: NightDiff) -> None:
    """Print the differences: rows, then a line for each column with its largest changes."""
    typer.echo(f"night {diff.night}: {counted(diff.rows_old, 'row')} before, {diff.rows_new} now")
    for what, count, ids in (
        ("gained", diff.gained, diff.gained_ids),
        ("lost", diff.lost, diff.lost_ids),
    ):
        if count:
            typer.echo(f"  {what} {count}: {', '.join(map(str, ids))}{' …' * (count > len(ids))}")
    for what, names in (("new columns", diff.added), ("columns no longer there", diff.removed)):
        if names:
            typer.echo(f"  {what}: {', '.join(names)}")
    for column in diff.columns:
        typer.echo(f"  {_line(column)}")
        for change in column.changes:
            typer.echo(f"    {change.alert_id}: {_short(change.old)} -> {_short(change.new)}")
    if diff.is_empty:
        typer.echo("  no difference")


def _line(column: ColumnDiff) -> str:
    by = "" if column.largest is None else f", by {column.largest:.6g} at most"
    return f"{column.column}: {counted(column.changed, 'value')} changed{by}"


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
