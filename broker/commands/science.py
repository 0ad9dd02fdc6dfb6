"""``nightjar science``: what the science modules make of one alert, and why."""

from __future__ import annotations

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
    """Look at science modules."""


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


def _find(storage: Storage, alert_id: int, nights: NightRange, columns: list[str]) -> pa.Table:
    """First raw row of that alert; its duplicates are equal."""
    import pyarrow.compute as pc

    from broker.tables.read_arrow import first_row

    wanted = ["alert_id", "object_id", "night", *columns]
    row = first_row(storage, "raw", nights, pc.field("alert_id") == alert_id, lambda _: wanted)
    if row is not None:
        return row
    where = "" if nights == NightRange() else f"night {nights.first} of "
    raise InputError(
        f"there is no alert {alert_id} in the raw tables of {where}{storage.path('')}; is "
        "storage.root right, and has stream2raw ingested it?",
        reason="unknown_alert",
    )
