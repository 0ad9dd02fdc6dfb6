"""``nightjar object | objects | cone | sql | night``: the tables, without Spark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker.commands.describe import described_columns
from broker.commands.options import (
    ConfOption,
    FormatOption,
    NightsOption,
    OutOption,
    SetOption,
    SurveyOption,
    WhereOption,
)
from broker.commands.rows_out import is_table, write_rows
from broker.commands.terminal_table import counts, show
from broker.errors import UsageError
from broker.nights import parse_nights
from broker.settings import Settings, load_settings

if TYPE_CHECKING:
    from broker.query import Archive

_BRIEF = (
    *("night", "mjd", "band", "mag", "mag_err", "is_positive", "real_bogus.score"),
    *("solar_system.code", "classifier.label", "classifier.score", "alert_id"),
)
_PLACE = ("ra_deg", "dec_deg")


def object_(
    object_ids: Annotated[list[str], typer.Argument(metavar="OBJECT_ID…", help="Objects.")],
    nights: NightsOption = None,
    survey: SurveyOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Show all alerts of an object over all nights; files have every column."""
    settings = load_settings(survey, conf, words)
    rows: Any = _archive(settings).objects(object_ids, nights)
    if not rows.num_rows:
        raise UsageError(
            f"no alert of {', '.join(object_ids)} is in the tables of "
            f"{settings.survey}" + (f", nights {nights}" if nights else "")
        )
    several = ("object_id",) if len(object_ids) > 1 else ()
    write_rows(rows, form, out, (*several, *_BRIEF), lambda: described_columns(settings))


def objects(
    nights: NightsOption = None,
    where: WhereOption = None,
    survey: SurveyOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List objects, not alerts: one row each, with its latest state."""
    settings = load_settings(survey, conf, words)
    brief = ("object_id", *_PLACE, "n_alerts", "first_night", "last_night", *_BRIEF[2:])
    # A table on the terminal has few columns, and the archive many objects.
    few = "|".join(dict.fromkeys(name.partition(".")[0] for name in brief))
    columns = [f"COLUMNS('^({few})$')"] if is_table(form, out) else None
    rows: Any = _archive(settings).latest(nights, columns, where)
    write_rows(rows, form, out, brief, lambda: described_columns(settings))


def cone(
    ra_deg: Annotated[float, typer.Argument(help="Right ascension, degrees.")],
    dec_deg: Annotated[float, typer.Argument(help="Declination, degrees.")],
    radius_arcsec: Annotated[float, typer.Argument(help="Radius, arcseconds.")],
    survey: SurveyOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Find the alerts within a circle on the sky, the nearest first."""
    settings = load_settings(survey, conf, words)
    rows: Any = _archive(settings).cone(ra_deg, dec_deg, radius_arcsec)
    brief = ("separation_arcsec", "object_id", *_BRIEF)
    write_rows(rows, form, out, brief, lambda: described_columns(settings))


def sql(
    query: Annotated[str, typer.Argument(help='"select … from science", raw or objects.')],
    nights: NightsOption = None,
    survey: SurveyOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Run an SQL query over the tables, archive and online as one."""
    settings = load_settings(survey, conf, words)
    rows: Any = _archive(settings).sql(query, nights)
    write_rows(rows, form, out, describe=lambda: described_columns(settings))


def night(
    night: Annotated[str, typer.Argument(help="A night, or a range A..B.")],
    survey: SurveyOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Count a night's alerts by class, filter, solar-system code and verdict."""
    import pyarrow as pa

    from broker.query.summary import ScienceSummary

    parse_nights(night)
    summary = ScienceSummary(Path(load_settings(survey, conf, words).survey_root), night)
    found = {
        "all": list(summary.totals().items()),
        "class": summary.by_class(),
        "filter": summary.by_filter(),
        "real or bogus": summary.by_reality(),
        "solar-system code": summary.by_solar_system_code(),
    }
    if is_table(form, out):
        _show_counts(found)
        return
    records = [
        {"what": what, "name": name, "alerts": n}
        for what, some in found.items()
        for name, n in some
    ]
    write_rows(pa.Table.from_pylist(records), form, out)


def _show_counts(found: dict[str, list[tuple[str, int]]]) -> None:
    tables = [
        counts(what, "alerts", [(name, str(n) if n >= 0 else "not evaluated") for name, n in some])
        for what, some in found.items()
        if some  # no filter has run
    ]
    show(*tables, side_by_side=True)


def _archive(settings: Settings) -> Archive:
    from broker.query import Archive

    return Archive(settings.survey_root, "arrow")
