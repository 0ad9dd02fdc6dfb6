"""``nightjar consume``: read alerts from a topic or from files, show or save them."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import (
    ConfOption,
    FramingOption,
    RegistryOption,
    SaveOption,
    SchemaOption,
    ServersOption,
    SetOption,
    SurveyOption,
    WhereOption,
)
from broker.errors import CheckFailed, NightjarError, UsageError
from broker.plural import counted
from broker.stopping import stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.client import Alert, Alerts
    from broker.client.table import AlertTable
    from broker.errors import InputError
    from broker.settings import Settings

_SOURCE = "Where alerts come from"
_OUTPUT = "What to do with them"


class NameBy(StrEnum):
    """Id after which a saved alert is named."""

    alert = "alert"
    object = "object"


def main(
    topic: Annotated[
        str | None, typer.Argument(help="A Kafka topic; read from its first message.")
    ] = None,
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            rich_help_panel=_SOURCE,
            help="Read files instead: a folder, an archive (NITE*.tar.gz) or one packet.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_SOURCE, help="Go on where the last reader of this name stopped."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_SOURCE,
            help="Begin with what Kafka took then or later (UTC), such as 2024-07-07T03:00.",
        ),
    ] = None,
    max_alerts: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_SOURCE, help="End after this many alerts.")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            rich_help_panel=_SOURCE,
            help="End after this many seconds without a message; 0: at the topic's end; -1: never.",
        ),
    ] = 5.0,
    lag: Annotated[
        bool,
        typer.Option(
            "--lag", rich_help_panel=_OUTPUT, help="Only show how far the --group is behind."
        ),
    ] = False,
    brief: Annotated[
        bool, typer.Option("--brief", rich_help_panel=_OUTPUT, help="One line per alert, not JSON.")
    ] = False,
    name_by: Annotated[
        NameBy,
        typer.Option(rich_help_panel=_OUTPUT, help="Id after which saved .avro files are named."),
    ] = NameBy.alert,
    plot: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_OUTPUT,
            help="Instead of showing: draw each as a picture in this folder.",
        ),
    ] = None,
    save: SaveOption = None,
    where: WhereOption = None,
    servers: ServersOption = None,
    framing: FramingOption = None,
    schema: SchemaOption = None,
    registry: RegistryOption = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Read alerts, decode them, and show them as JSON, in brief, or save them.

    --save FOLDER writes an .avro file for each alert, --save NAME.parquet one file for all.

    What cannot be decoded is named and skipped. Unfinished transactions are left out.
    Standard output has the alerts only; counts and complaints go to standard error.

    Exit code 0: all was read; 1: something was skipped;

    2: no such topic, folder or field; 3: no broker.
    """
    from broker.client import iterate
    from broker.settings import load_settings

    since_time = _moment(since)
    _check_source(topic, folder, servers, group or since)
    if plot is not None and save is not None:
        raise UsageError("--plot and --save exclude each other")
    settings = load_settings(survey, conf, words)
    if lag:
        _print_lag(topic, group, settings, servers)
        return
    if folder is not None:
        _print_count(folder)
    table = _table(save)
    # Ctrl-C and SIGTERM are how one ends a topic that goes on: what was read is kept.
    with stop_signals() as stopped:
        alerts = iterate(
            topic or folder or "",
            servers=servers,
            options={} if topic else None,
            framing=framing.value if framing is not None else None,
            schema=schema,
            registry=registry,
            where=where,
            max_alerts=max_alerts,
            timeout_seconds=timeout if timeout >= 0 else None,
            group=group,
            since=since_time,
            before_keep=table.close if table is not None else None,
            on_error=_complain,
            stopped=stopped,
            settings=settings,
        )
        if table is not None:
            with closing(table):
                _run(alerts, table.add, where is not None)
            return
        act = _action(brief, save, name_by.value) if plot is None else _draw_in(plot, settings)
        _run(alerts, act, where is not None)


def _check_source(
    topic: str | None, folder: Path | None, servers: str | None, place: str | None
) -> None:
    if (topic is None) == (folder is None):
        raise UsageError("give either a topic or --from a folder, archive or packet")
    if folder is not None and servers is not None:
        raise UsageError("--servers goes with a topic, not with --from")
    if folder is not None and place:
        raise UsageError("--group and --since go with a topic, not with --from")


def _run(alerts: Alerts, act: Callable[[Alert], None], is_choice: bool) -> None:
    try:
        for alert in alerts:
            act(alert)
    except NightjarError:
        if alerts.n_read:
            _print_summary(alerts, is_choice)
        raise
    _print_summary(alerts, is_choice)
    if alerts.n_failed:
        raise CheckFailed(f"{alerts.n_failed:,} could not be read (named above)")


def _print_summary(alerts: Alerts, is_choice: bool) -> None:
    if is_choice:
        _say(f"{alerts.n_chosen:,} of {alerts.n_read:,} alerts chosen")
    _say(f"Consumed {counted(alerts.n_chosen, 'alert')} in {alerts.seconds:.2f} seconds")


def _say(line: str) -> None:
    """Write to standard error; standard output has only alerts, for other programs."""
    print(line, file=sys.stderr)


def _table(save: Path | None) -> AlertTable | None:
    if save is None or save.suffix != ".parquet":
        return None
    from broker.client.table import AlertTable

    return AlertTable(save)


def _action(brief: bool, save: Path | None, name_by: str) -> Callable[[Alert], None]:
    from broker.client.save import AlertFolder
    from broker.client.show import BriefTable, as_json

    if save is not None:
        folder = AlertFolder(save, "object" if name_by == "object" else "alert")

        def save_one(alert: Alert) -> None:
            print(folder.save(alert), flush=True)

        return save_one
    if not brief:
        return lambda alert: print(as_json(alert), flush=True)
    table = BriefTable()
    return lambda alert: print(*table.lines(alert), sep="\n", flush=True)


def _draw_in(folder: Path, settings: Settings) -> Callable[[Alert], None]:
    from broker.client.identity import alert_id_of
    from broker.commands.plot import record_page, save_figure

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot draw in {folder}: {error.strerror}") from None

    def draw(alert: Alert) -> None:
        path = folder / f"{alert_id_of(alert)}.png"
        save_figure(record_page(alert, settings), path)
        print(path, flush=True)

    return draw


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text}: expected a time such as 2024-07-07T03:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _print_lag(
    topic: str | None, group: str | None, settings: Settings, servers: str | None
) -> None:
    from broker.client.iterate import kafka_options
    from broker.client.topic import lag_of
    from broker.commands.terminal_table import show, table

    if topic is None or group is None:
        raise UsageError("--lag goes with a topic and a --group")
    lags = lag_of(topic, kafka_options(settings, topic, servers), group)
    headings = ("partition", "next", "end", "behind")
    rows = [
        (
            str(i.partition),
            "-" if i.offset is None else str(i.offset),
            str(i.end),
            str(i.behind),
        )
        for i in lags
    ]
    show(table(headings, rows, numbers=headings))
    print(f"group {group} is {sum(item.behind for item in lags)} behind in {topic}")


def _print_count(source: Path) -> None:
    from broker.packets.files import count_packets

    count = count_packets(source, on_error=lambda _error: None)  # named when they are read
    _say(f"{counted(count, 'alert')} in {source}")


def _complain(error: InputError) -> None:
    _say(f"skipped ({error.reason}): {error}")
