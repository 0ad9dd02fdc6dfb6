"""``nightjar simulate``: play recorded, stored or synthetic nights into Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import (
    ConfOption,
    FramingOption,
    OutOption,
    SchemaOption,
    ServersOption,
    SetOption,
    SurveyOption,
)
from broker.errors import UsageError

if TYPE_CHECKING:
    from broker.settings import Settings
    from broker.simulator.play import PlayPlan

_INTERRUPTED = 130
_PACE = "Pace"
_FAULTS = "Faults, for tests"
_SYNTHETIC = "Synthetic night"


def main(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A packet, an archive (NITE*.tar.gz), a folder of them, or a night of a raw table."
        ),
    ] = None,
    *,
    conf: ConfOption = None,
    survey: SurveyOption = None,
    servers: ServersOption = None,
    topic: Annotated[
        str | None, typer.Option(help="Topic to play into. Default: kafka.input_topic.")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(help="Partitions of the topic, if it has to be made.")
    ] = None,
    framing: FramingOption = None,
    schema: SchemaOption = None,
    schema_id: Annotated[
        int | None,
        typer.Option(
            help="Schema id of confluent messages. Default: major × 100 + minor of the schema."
        ),
    ] = None,
    display: Annotated[
        str | None, typer.Option(help="Field to show of each observation, such as candidate,jd.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first packet that cannot be used.")
    ] = False,
    repeat: Annotated[
        int, typer.Option(min=1, help="Times to play the night; new ids from the second time on.")
    ] = 1,
    alerts_per_observation: Annotated[
        int | None,
        typer.Option(rich_help_panel=_PACE, help="Alerts per observation; 0: one stream."),
    ] = None,
    observations: Annotated[
        int | None, typer.Option(rich_help_panel=_PACE, help="Number of observations; -1: all.")
    ] = None,
    interval: Annotated[
        float | None, typer.Option(rich_help_panel=_PACE, help="Seconds between observations.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(rich_help_panel=_PACE, help="Alerts per second, evenly.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_PACE, help="Factor by which to speed up the recorded cadence."
        ),
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option(rich_help_panel=_PACE, help="Alerts per burst, as Rubin sends them."),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(rich_help_panel=_PACE, help="Seconds from one burst to the next."),
    ] = None,
    corrupt_fraction: Annotated[
        float,
        typer.Option(
            rich_help_panel=_FAULTS, min=0, max=1, help="Fraction of messages to corrupt (0–1)."
        ),
    ] = 0.0,
    repeat_fraction: Annotated[
        float,
        typer.Option(
            rich_help_panel=_FAULTS, min=0, max=1, help="Fraction of messages to send twice (0–1)."
        ),
    ] = 0.0,
    shuffle_window: Annotated[
        int,
        typer.Option(
            rich_help_panel=_FAULTS,
            min=0,
            help="Messages are at most this many places out of order.",
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option(help="The same seed makes the same faults and synthetic night.")
    ] = 0,
    synthetic: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_SYNTHETIC, min=1, help="Number of alerts of a night to make."
        ),
    ] = None,
    out: OutOption = None,
    words: SetOption = None,
) -> None:
    """Play a night into Kafka, by time, earliest alert first.

    Plays recorded packets from files and archives, nights of a raw table, or synthetic nights.
    A synthetic night goes to --out FOLDER instead, if that is given.
    Every delivery is confirmed; the last line counts them. Exit code 1 if one failed.
    """
    from broker.simulator.faults import Faults
    from broker.simulator.play import PlayPlan

    if (burst is None) != (every is None):
        raise UsageError("a burst needs --burst ALERTS and --every SECONDS")
    if synthetic is not None and source is not None:
        raise UsageError(f"--synthetic makes its own night; leave out {source}")
    if out is not None:
        _write_synthetic(synthetic, seed, out)
        return
    options = {
        "kafka.servers": servers,
        "simulator.source": source,
        "simulator.topic": topic,
        "simulator.partitions": partitions,
        "simulator.framing": framing.value if framing is not None else None,
        "simulator.schema": schema,
        "simulator.schema_id": schema_id,
        "simulator.display": display,
        "simulator.alerts_per_observation": alerts_per_observation if burst is None else burst,
        "simulator.observations": observations,
        "simulator.interval_seconds": interval if every is None else every,
        "simulator.rate": rate,
        "simulator.speed": speed,
    }
    chosen = [f"{key}={value}" for key, value in options.items() if value is not None]
    settings, own_schemas = _settings(survey, conf, [*chosen, *(words or ())])
    faults = Faults(corrupt_fraction, repeat_fraction, shuffle_window, seed)
    _play(settings, PlayPlan(repeat, faults, strict, own_schemas), synthetic, seed)


def _settings(survey: str | None, conf: Path | None, words: list[str]) -> tuple[Settings, bool]:
    """Read the settings, and whether bare packets keep the schemas that they have."""
    from broker.settings import load_settings
    from broker.simulator.conf import read_fink_conf
    from broker.simulator.report import note

    if conf is None or conf.suffix == ".toml":
        return load_settings(survey, conf, words), False
    fink = read_fink_conf(conf)
    for text in fink.notes:
        note(text)
    return load_settings(survey, None, [*fink.overrides, *words]), True


def _play(settings: Settings, plan: PlayPlan, synthetic: int | None, seed: int) -> None:
    from broker.simulator.generated import GeneratedNight
    from broker.simulator.play import play_night, play_source

    try:
        if synthetic is None:
            play_source(settings, plan)
        else:
            night = GeneratedNight(synthetic, seed)
            play_night(settings, plan, night, f"synthetic night, seed {seed}")
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def _write_synthetic(size: int | None, seed: int, out: Path) -> None:
    from broker.plural import counted
    from broker.simulator.report import say
    from broker.simulator.synthetic import write_night

    if size is None:
        raise UsageError("--out is where a synthetic night goes; it needs --synthetic N")
    say(f"Writing a synthetic night of {counted(size, 'alert')}, seed {seed}, to {out}")
    truth = write_night(size, seed, out)
    say(f"Wrote {counted(size, 'packet')} and the truth about them, {truth}")
