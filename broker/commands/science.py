"""``nightjar science``: what the science modules make of one alert, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import ConfOption, NightsOption, SetOption, SurveyOption
from broker.errors import InputError, UsageError
from broker.nights import parse_one_night
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
    folder = None if night is None else f"night={parse_one_night(night)}"
    tops = {path.partition(".")[0] for path in science.paths}
    row = _find(storage, int(alert_id), folder, sorted(tops))
    for line in explain_alert(science, row):
        typer.echo(line)


def _find(storage: Storage, alert_id: int, night: str | None, columns: list[str]) -> pa.Table:
    """First raw row of that alert; repeats are equal."""
    import pyarrow.dataset as ds

    wanted = ["alert_id", "object_id", "night", *columns]
    for area in ("online/raw", "archive/raw"):
        folder = area if night is None else f"{area}/{night}"
        if not storage.exists(folder):
            continue
        raw = ds.dataset(
            storage.path(folder),
            filesystem=storage.filesystem,
            partitioning="hive",
            partition_base_dir=storage.path(area),
        )
        rows = raw.head(1, columns=wanted, filter=ds.field("alert_id") == alert_id)
        if rows.num_rows:
            return rows
    where = storage.path("") if night is None else f"{night} of {storage.path('')}"
    raise InputError(
        f"there is no alert {alert_id} in the raw tables of {where}; is storage.root right, and "
        "has stream2raw ingested it?",
        reason="unknown_alert",
    )
