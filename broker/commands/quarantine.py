"""``nightjar quarantine``: packets that could not be used, and how to bring them back."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer
from rich.table import Table

from broker.commands.options import (
    ConfOption,
    JsonOption,
    NightsOption,
    SaveOption,
    SetOption,
    SurveyOption,
)
from broker.commands.terminal_table import show, table
from broker.errors import UsageError
from broker.nights import parse_one_night
from broker.plural import counted
from broker.settings import load_settings
from broker.strict_json import as_strict_json
from broker.tables.quarantine import SHOWN, Quarantine
from broker.tables.storage import Storage

app = typer.Typer(no_args_is_help=True, help="Packets that could not be used.")

ReasonOption = Annotated[str | None, typer.Option(help="Only packets refused for this reason.")]


@app.command("list")
def list_packets(
    survey: SurveyOption = None,
    reason: ReasonOption = None,
    nights: NightsOption = None,
    most: Annotated[int, typer.Option(help="Show at most this many packets; --json has all.")] = 20,
    as_json: JsonOption = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Count the packets by reason, and list them.

    Their night is the UTC date of their arrival.
    """
    settings = load_settings(survey, conf, words)
    quarantine = Quarantine(Storage(settings.survey_root))
    rows = quarantine.packets(reason, parse_one_night(nights) if nights else None).to_pylist()
    if as_json:
        typer.echo(as_strict_json(rows, indent=2))
        return
    if not rows:
        typer.echo(f"nothing of {settings.survey} is in quarantine")
        return
    show(_reasons(rows), _packets(rows[:most]))
    if len(rows) > most:
        typer.echo(f"… and {len(rows) - most} more (--most, --json)")


def _reasons(rows: list[dict[str, Any]]) -> Table:
    waiting = Counter(row["reason"] for row in rows if not row["replayed"])
    replayed = Counter(row["reason"] for row in rows if row["replayed"])
    reasons = sorted(waiting.keys() | replayed.keys())
    cells = [(name, str(waiting[name]), str(replayed[name])) for name in reasons]
    numbers = ("waiting", "replayed")
    return table(("reason", *numbers), cells, numbers=numbers)


def _packets(rows: list[dict[str, Any]]) -> Table:
    columns = ("topic", "partition", "offset")
    cells = [
        (
            *(str(row[name]) for name in columns),
            "replayed" if row["replayed"] else row["reason"],
            row["detail"] or "",
        )
        for row in rows
    ]
    headings = (*columns, "reason", "detail")
    return table(headings, cells, numbers=columns[1:], texts=("detail",))


@app.command("show")
def show_packet(
    topic: Annotated[str, typer.Argument(help="Kafka topic.")],
    partition: Annotated[int, typer.Argument(help="Kafka partition.")],
    offset: Annotated[int, typer.Argument(help="Kafka offset.")],
    survey: SurveyOption = None,
    save: SaveOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Show one packet: why it was refused, and its first bytes; --save FILE writes them all."""
    quarantine = Quarantine(Storage(load_settings(survey, conf, words).survey_root))
    row = quarantine.packet(topic, partition, offset)
    value: bytes = row["value"] or b""
    for name in (*SHOWN, "kafka_timestamp"):
        typer.echo(f"{name:16} {row[name]}")
    typer.echo(f"{'bytes':16} {len(value)}")
    for start in range(0, min(len(value), 128), 16):
        chunk = value[start : start + 16]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in chunk)
        typer.echo(f"  {start:06x}  {chunk.hex(' '):47}  {text}")
    if save is not None:
        try:
            save.write_bytes(value)
        except OSError as error:
            raise UsageError(f"cannot write {save}: {error.strerror}") from None
        typer.echo(f"written to {save}")


@app.command("replay")
def replay_packets(
    survey: SurveyOption = None,
    reason: ReasonOption = None,
    nights: NightsOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Ingest waiting packets again, after their cause was fixed."""
    from broker.pipeline.job import open_job
    from broker.pipeline.replay import Selection, replay
    from broker.spark.session import check_decoder_can_run
    from broker.tables.stages import REPLAY

    chosen = Selection(reason, parse_one_night(nights) if nights else None)
    settings = load_settings(survey, conf, words)
    with open_job("quarantine replay", settings, [REPLAY]) as job:
        check_decoder_can_run(job.spark)
        row = replay(job.spark, settings, chosen)
    if row is None:
        typer.echo("replayed 0 packets: nothing is waiting that can be used")
    else:
        typer.echo(
            f"replayed {row.written} of {counted(row.read, 'packet')} as batch {row.key}; "
            f"{row.quarantined} stay in quarantine"
        )
