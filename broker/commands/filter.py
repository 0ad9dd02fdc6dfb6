"""``nightjar filter``: list, check, back-test and compare filters; explain one alert."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from broker.commands.options import (
    NIGHTS,
    ConfOption,
    JsonOption,
    NightsOption,
    SetOption,
    SurveyOption,
)
from broker.errors import CheckFailed, InputError, UsageError
from broker.nights import parse_nights
from broker.plural import counted
from broker.settings import Settings, load_settings
from broker.strict_json import as_strict_json

if TYPE_CHECKING:
    from broker.commands.filter_session import FilterSession
    from broker.filters.definition import FilterFile

app = typer.Typer(
    no_args_is_help=True, help="List, check, back-test and compare filters; explain one alert."
)

FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="TOML file of a filter, or NAME or SURVEY/NAME of one in use."
    ),
]


@app.command("list")
def list_filters(
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List the filters in use, without checking their SQL."""
    from broker.commands.filter_report import show_filters
    from broker.filters.folders import FilterFolders

    settings = load_settings(survey, conf, words)
    files, problems = FilterFolders.of(settings.filters).load(survey)
    show_filters([file.filter for file in files])
    if problems:
        raise InputError("\n".join(map(str, problems)))


@app.command()
def check(
    file: FileArgument,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Check a filter by Spark's own analysis, and its examples on the stored rows."""
    from broker.filters.backtest import try_examples

    read, bench = _open(file, survey, conf, words)
    clauses = bench.clauses(read)
    console = Console(highlight=False, soft_wrap=True)
    for warning in bench.check(read).warnings:
        console.print(f"[yellow]{warning}[/]")
    console.print(
        f"{read.filter.name} ({read.filter.digest}) can be used: {counted(len(clauses), 'clause')}"
    )
    wanted = read.filter.examples
    if not wanted:
        return
    try:
        results = bench.over_rows(lambda rows: try_examples(rows, clauses, wanted))
    except UsageError as error:
        console.print(f"its examples were not tried: {error}")
        return
    failed = {alert: clause for alert, clause in results.items() if clause is not None}
    console.print(f"examples that pass: {len(results) - len(failed)} of {len(wanted)}", end="")
    console.print(f"; not in the tables: {len(wanted) - len(results)}")
    if failed:
        lines = [f"alert {alert} fails {clause}" for alert, clause in failed.items()]
        raise CheckFailed("\n".join(lines))


@app.command("test")
def run_over_nights(
    file: FileArgument,
    nights: Annotated[str, NIGHTS],
    force: Annotated[
        bool, typer.Option("--force", help="Exit 0 even if it passes more than max_share.")
    ] = False,
    as_json: JsonOption = False,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Run a filter over past nights, as they were known then; exit 1 if it passes too much."""
    from broker.commands.filter_report import show_back_test
    from broker.filters.backtest import back_test

    span = parse_nights(nights)
    read, bench = _open(file, survey, conf, words)
    clauses = bench.clauses(read)
    result = bench.over_rows(lambda rows: back_test(rows, clauses), span)
    if as_json:
        totals = {"alerts": result.alerts, "passed": result.passed, "share": result.share}
        _print_json(asdict(result) | totals)
    else:
        show_back_test(result, bench.survey)
    limit = read.filter.max_share
    if result.share > limit and not force:
        raise CheckFailed(
            f"{read.filter.name} passes {result.share:.2%} of the stream, and its max_share is "
            f"{limit:.2%}: make it stricter, raise max_share, or give --force"
        )


@app.command()
def diff(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="TOML file, NAME or SURVEY/NAME of a filter.")
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another filter's.")],
    nights: Annotated[str, NIGHTS],
    as_json: JsonOption = False,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List objects that a new filter gains and loses over past nights, by deciding clause."""
    from broker.commands.filter_report import show_changed
    from broker.filters.backtest import changed_objects

    span = parse_nights(nights)
    first, bench = _open(old, survey, conf, words)
    second = _read(new, bench.settings)
    if first.filter.survey != second.filter.survey:
        raise UsageError(
            f"{first.filter.name} is for {first.filter.survey}, {second.filter.name} for "
            f"{second.filter.survey}; compare filters of one survey"
        )
    both = bench.clauses(first), bench.clauses(second)
    changed = bench.over_rows(lambda rows: changed_objects(rows, *both), span)
    if as_json:
        _print_json([asdict(one) for one in changed])
    else:
        show_changed(changed, old, new)


@app.command()
def why(
    alert_id: Annotated[int, typer.Argument(help="Alert: ZTF candid, else diaSourceId.")],
    file: FileArgument,
    nights: NightsOption = None,
    as_json: JsonOption = False,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Explain why an alert passes a filter or not: each clause with its value."""
    from broker.commands.filter_report import show_why
    from broker.filters.backtest import explain_alert

    span = parse_nights(nights) if nights else None
    read, bench = _open(file, survey, conf, words)
    clauses = bench.clauses(read)
    values = bench.over_rows(lambda rows: explain_alert(rows, clauses, alert_id), span)
    if values is None:
        raise UsageError(
            f"no science row has alert_id {alert_id} in {bench.settings.survey_root}"
            + (f", nights {nights}" if nights else "")
        )
    if as_json:
        _print_json([asdict(value) for value in values])
    else:
        show_why(values, alert_id, read.filter.name)


def _open(
    file: str, survey: str | None, conf: Path | None, words: list[str] | None
) -> tuple[FilterFile, FilterSession]:
    """Read a filter and start Spark for its survey, which ``--survey`` may only confirm."""
    read = _read(file, load_settings(survey, conf, words))
    own = read.filter.survey
    if survey is not None and survey != own:
        raise UsageError(
            f"filter {read.filter.name} is for {own}, not {survey}; leave --survey out"
        )
    settings = load_settings(own, conf, words)

    with Console(stderr=True).status("starting Spark"):
        from broker.commands.filter_session import FilterSession

        return read, FilterSession(settings)


def _read(file: str, settings: Settings) -> FilterFile:
    """Read a filter by its file, its name, or ``<survey>/<name>``."""
    from broker.filters.definition import read_filter
    from broker.filters.folders import FilterFolders

    folders = FilterFolders.of(settings.filters)
    if Path(file).is_file():
        in_use = [path for path in folders.files() if path.samefile(file)]
        return folders.read(in_use[0]) if in_use else read_filter(Path(file))
    files, problems = folders.load()
    names = {f"{one.filter.survey}/{one.filter.name}": one for one in files}
    found = [name for name in names if file in (name, name.partition("/")[2])]
    if len(found) == 1:
        return names[found[0]]
    if found:
        raise UsageError(f"{file} is the name of {len(found)} filters: say {' or '.join(found)}")
    raise UsageError(
        f"{file} is neither a file nor one of the filters {', '.join(names)}"
        + "".join(f"\n{problem}" for problem in problems)
    )


def _print_json(value: Any) -> None:
    typer.echo(as_strict_json(value, indent=2))
