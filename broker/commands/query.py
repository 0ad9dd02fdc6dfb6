"""``nightjar object | objects | cone | sql | night``: the tables, without Spark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from broker.commands.rows import Format, FormatOption, OutOption, write_rows
from broker.errors import UsageError
from broker.nights import parse_nights
from broker.settings import load_settings

if TYPE_CHECKING:
    from broker.query import Archive

SurveyOption = Annotated[str, typer.Option(help="Survey: a file conf/<survey>.toml.")]
ConfOption = Annotated[Path | None, typer.Option(help="A further TOML file of settings.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value, as often as needed.")
]
NightsOption = Annotated[
    str | None, typer.Option("--night", "--nights", help="Only a night, or a range A..B.")
]
_BRIEF = (
    *("night", "mjd", "band", "mag", "mag_err", "is_positive", "real_bogus.score"),
    *("solar_system.code", "classifier.label", "classifier.score", "alert_id"),
)
_PLACE = ("ra_deg", "dec_deg")


def object_(
    object_ids: Annotated[list[str], typer.Argument(metavar="OBJECT_ID…", help="Objects.")],
    survey: SurveyOption = "ztf",
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Show all alerts of an object over all nights; CSV, JSON and Parquet have every column."""
    rows: Any = _archive(survey, conf, words).objects(object_ids)
    if not rows.num_rows:
        raise UsageError(f"no alert of {', '.join(object_ids)} is in the tables of {survey}")
    several = ("object_id",) if len(object_ids) > 1 else ()
    write_rows(rows, form, out, (*several, *_BRIEF))


def objects(
    night: NightsOption = None,
    where: Annotated[
        str | None, typer.Option(help='SQL over the science columns: "classifier.score > 0.9".')
    ] = None,
    survey: SurveyOption = "ztf",
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List objects, not alerts: one row each, with its latest state."""
    rows: Any = _archive(survey, conf, words).latest(night, where)
    counts = ("n_alerts", "first_night", "last_night")
    write_rows(rows, form, out, ("object_id", *_PLACE, *counts, *_BRIEF[2:]))


def cone(
    ra_deg: Annotated[float, typer.Argument(help="Right ascension, degrees.")],
    dec_deg: Annotated[float, typer.Argument(help="Declination, degrees (after -- if negative).")],
    radius_arcsec: Annotated[float, typer.Argument(help="Radius, arcseconds.")],
    survey: SurveyOption = "ztf",
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Find the alerts within a circle on the sky, the nearest first."""
    rows: Any = _archive(survey, conf, words).cone(ra_deg, dec_deg, radius_arcsec)
    write_rows(rows, form, out, ("separation_arcsec", "object_id", *_BRIEF))


def sql(
    query: Annotated[str, typer.Argument(help='"select … from science", raw or objects.')],
    night: NightsOption = None,
    survey: SurveyOption = "ztf",
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Run an SQL query over the tables, archive and online as one."""
    rows: Any = _archive(survey, conf, words).sql(query, night)
    write_rows(rows, form, out)


def night(
    night: Annotated[str, typer.Argument(help="A night, or a range A..B.")],
    survey: SurveyOption = "ztf",
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Count a night's alerts by class, filter, solar-system code and verdict."""
    import pyarrow as pa

    from broker.query.summary import ScienceSummary

    parse_nights(night)
    summary = ScienceSummary(Path(load_settings(survey, conf, words or ()).survey_root), night)
    counts = {
        "all": list(summary.totals().items()),
        "class": summary.by_class(),
        "filter": summary.by_filter(),
        "real or bogus": summary.by_reality(),
        "solar-system code": summary.by_solar_system_code(),
    }
    if form in (None, Format.TABLE) and out is None:
        _show_counts(counts)
        return
    records = [
        {"what": what, "name": name, "alerts": n}
        for what, some in counts.items()
        for name, n in some
    ]
    write_rows(pa.Table.from_pylist(records), form, out)


def _show_counts(counts: dict[str, list[tuple[str, int]]]) -> None:
    tables = []
    for what, some in counts.items():
        table = Table(what, "")
        for name, n in some:
            table.add_row(name, str(n) if n >= 0 else "not evaluated by DuckDB")
        tables.append(table)
    Console(highlight=False).print(Columns(tables))


def _archive(survey: str, conf: Path | None, words: list[str] | None) -> Archive:
    from broker.query import Archive

    return Archive(load_settings(survey, conf, words or ()).survey_root, "arrow")
