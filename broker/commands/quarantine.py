"""``nightjar quarantine``: packets that could not be used, and how to bring them back."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.commands.options import (
    ConfOption,
    JsonOption,
    NightsOption,
    SaveOption,
    SetOption,
    SurveyOption,
)
from broker.errors import UsageError
from broker.nights import parse_one_night
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
    night: NightsOption = None,
    most: Annotated[int, typer.Option(help="Show at most this many packets; --json has all.")] = 20,
    as_json: JsonOption = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Count the packets by reason, and list them.

    Their night is the UTC date of their arrival.
    """
    quarantine = Quarantine(Storage(load_settings(survey, conf, words).survey_root))
    rows = quarantine.packets(reason, parse_one_night(night) if night else None).to_pylist()
    if as_json:
        typer.echo(as_strict_json(rows, indent=2))
        return
    console = Console(highlight=False)
    waiting = Counter(row["reason"] for row in rows if not row["replayed"])
    replayed = Counter(row["reason"] for row in rows if row["replayed"])
    summary = Table("reason", "waiting", "replayed")
    for name in sorted(waiting.keys() | replayed.keys()):
        summary.add_row(name, str(waiting[name]), str(replayed[name]))
    console.print(summary if rows else f"nothing of {survey} is in quarantine")
    for row in rows[:most]:
        mark = "replayed" if row["replayed"] else row["reason"]
        place = f"{row['topic']} {row['partition']} {row['offset']}"
        console.print(f"{place:32} {mark:20} {row['detail']}", soft_wrap=True)
    if len(rows) > most:
        console.print(f"… and {len(rows) - most} more (--most, --json)")


@app.command()
def show(
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
    night: NightsOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Ingest waiting packets again, after their cause was fixed."""
    from broker.logs import log_to_stderr
    from broker.pipeline.replay import Selection, replay
    from broker.sinks.locks import StageLock
    from broker.spark.session import build_session, check_decoder_can_run
    from broker.tables.stages import REPLAY

    log_to_stderr()
    settings = load_settings(survey, conf, words)
    with StageLock(Storage(settings.survey_root), REPLAY):
        spark = build_session(f"nightjar {survey} quarantine replay")
        check_decoder_can_run(spark)
        row = replay(spark, settings, Selection(reason, parse_one_night(night) if night else None))
    if row is None:
        typer.echo("replayed 0 packets: nothing is waiting that can be used")
    else:
        typer.echo(
            f"replayed {row.written} of {row.read} packets as batch {row.key}; "
            f"{row.quarantined} stay in quarantine"
        )
