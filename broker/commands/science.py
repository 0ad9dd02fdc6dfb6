"""``nightjar science``: what the modules make of an alert, and modules of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import ConfOption, NightsOption, SetOption, SurveyOption
from broker.errors import InputError, UsageError
from broker.nights import NightRange, parse_one_night
from broker.settings import load_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from broker.tables.storage import Storage

app = typer.Typer(no_args_is_help=True, help="Science modules.")


@app.callback()
def _science() -> None:
    """Look at science modules; write and try your own."""


@app.command()
def explain(
    alert_id: Annotated[str, typer.Argument(help="The alert: ZTF candid, else diaSourceId.")],
    survey: SurveyOption = None,
    night: NightsOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Show every module's inputs, rule by rule outcome and output for one alert."""
    from broker.science.engine.explain import explain_alert
    from broker.science.engine.science_pass import SciencePass
    from broker.tables.storage import Storage

    if not alert_id.isascii() or not alert_id.isdigit():
        raise UsageError(f"{alert_id!r} is not an alert id; give the number that `alert_id` has")
    settings = load_settings(survey, conf, words)
    science = SciencePass(settings.survey, settings.science)
    storage = Storage(settings.survey_root)
    one = None if night is None else parse_one_night(night)
    nights = NightRange() if one is None else NightRange(one, one)
    tops = {path.partition(".")[0] for path in science.paths}
    row = _find(storage, int(alert_id), nights, sorted(tops))
    for line in explain_alert(science, row):
        typer.echo(line)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The module: conf/modules/NAME.toml.")],
    packets: Annotated[
        Path | None, typer.Option(help="Recorded packets: a file, an archive or a folder.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The newest rows of the raw table.")] = False,
    most: Annotated[int, typer.Option("--sample", min=1, help="Alerts to try, at most.")] = 500,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Try a module on alerts: time per alert, nulls, failures. Default: synthetic ZTF alerts."""
    from broker.commands.science_check import check_module

    if packets is not None and raw:
        raise UsageError("give --packets or --raw, not both")
    settings = load_settings(survey, conf, words)
    lines, failed = check_module(file, settings, packets, raw, most)
    for line in lines:
        typer.echo(line)
    if failed:
        raise typer.Exit(1)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the module and of its column.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where. Default: the setting science.folder.")
    ] = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Write a module of your own, with its file and a test that passes."""
    from broker.commands.science_new import write_module

    settings = load_settings(survey, conf, words)
    for line in write_module(name, folder or settings.science.folder, settings):
        typer.echo(line)


def _find(storage: Storage, alert_id: int, nights: NightRange, columns: list[str]) -> pa.Table:
    """First raw row of that alert; its duplicates are equal."""
    import pyarrow.compute as pc

    from broker.tables.read_arrow import first_row

    wanted = list(dict.fromkeys(["alert_id", "object_id", "night", *columns]))
    row = first_row(storage, "raw", nights, pc.field("alert_id") == alert_id, lambda _: wanted)
    if row is not None:
        return row
    where = "" if nights == NightRange() else f"night {nights.first} of "
    raise InputError(
        f"there is no alert {alert_id} in the raw tables of {where}{storage.path('')}; is "
        "storage.root right, and has stream2raw ingested it?",
        reason="unknown_alert",
    )
