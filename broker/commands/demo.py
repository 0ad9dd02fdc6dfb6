"""``nightjar demo``: a night through a real Kafka into Parquet and out again, accounted for."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.audit.equations import audit
from broker.audit.finding import Finding
from broker.audit.topics import OutputTopics
from broker.commands.audit import show_findings
from broker.commands.options import DATA, SurveyOption
from broker.commands.terminal_table import counts, show
from broker.errors import CheckFailed
from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from broker.query.summary import Counts, ScienceSummary
from broker.settings import DATA_BASE, Settings, load_settings
from broker.simulator.generated import GeneratedNight
from broker.simulator.play import PlayPlan, play_night, play_source
from broker.tables.storage import Storage

_TOPIC = "demo_alerts"
_SEED = 1


def main(
    alerts: Annotated[int, typer.Option(min=1, help="Size of the synthetic night.")] = 2000,
    survey: SurveyOption = None,
    data: Annotated[Path | None, DATA] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave Kafka running at the end.")] = False,
) -> None:
    """Show the whole broker in a minute: Kafka, a night of alerts, every stage, a subscriber.

    The night is synthetic, or --data: recorded packets of --survey.

    Works in data/demo, which it empties at the start.
    """
    began = time.monotonic()
    folder = DATA_BASE / "data" / "demo"
    console = Console(highlight=False)
    with ExitStack() as at_end:
        kafka = _start_kafka(folder, console)
        if not keep:
            at_end.callback(kafka.stop)
        settings = _settings(survey, data, folder, kafka)
        console.print(f"[bold]2. A night of alerts[/] goes into topic {_TOPIC}")
        sent = _play(settings, alerts)
        console.print("[bold]3. Every stage[/] runs until it has caught up")
        _run_stages(settings)
        console.print("[bold]4. What came of it[/]")
        findings = audit(Storage(settings.survey_root), deep=True, topics=_topics(settings))
        _show(settings, sent, findings)
        _show_as_subscriber(settings, console)
        _show_next(settings, kafka if keep else None, console)
    console.print(f"\nDone in {time.monotonic() - began:.0f} seconds.")
    if broken := [finding for finding in findings if not finding.holds]:
        raise CheckFailed(f"{len(broken)} of {len(findings)} equations do not hold")


def _start_kafka(folder: Path, console: Console) -> EmbeddedKafka:
    kafka = EmbeddedKafka(folder / "kafka", free_port())
    kafka.stop()  # one that an earlier demo left with --keep
    shutil.rmtree(folder, ignore_errors=True)
    kafka.start()
    console.print(f"[bold]1. Kafka[/] is up at {kafka.servers}, data in {folder}")
    return kafka


def _settings(
    survey: str | None, data: Path | None, folder: Path, kafka: EmbeddedKafka
) -> Settings:
    words = [
        f"storage.root={folder}",
        f"kafka.servers={kafka.servers}",
        f"kafka.input_topic={_TOPIC}",
    ]
    if data is not None:
        words.append(f"simulator.source={data}")
    return load_settings(survey, overrides=words)


def _play(settings: Settings, alerts: int) -> int:
    if settings.simulator.source is not None:
        return play_source(settings, PlayPlan()).sent
    night = GeneratedNight(alerts, _SEED)
    return play_night(settings, PlayPlan(), night, f"synthetic night, seed {_SEED}").sent


def _topics(settings: Settings) -> OutputTopics:
    kafka = settings.kafka
    return OutputTopics(kafka.output_options(), kafka.output_prefix, settings.survey)


def _run_stages(settings: Settings) -> None:
    from broker.pipeline.job import open_job
    from broker.pipeline.streaming import run_stages
    from broker.tables.stages import STREAMING

    with open_job("demo", settings, STREAMING) as job:
        run_stages(job, once=True)
        job.spark.stop()


def _show(settings: Settings, sent: int, findings: list[Finding]) -> None:
    from broker.tables.ledger import Ledger

    ledger = Ledger(Storage(settings.survey_root))
    raw, science = ledger.rows("raw"), ledger.rows("science")
    distributed = ledger.rows("distribute")
    totals = {
        "sent": sent,
        "raw": sum(row.written for row in raw),
        "quarantined": sum(row.quarantined for row in raw),
        "science": sum(row.written for row in science),
        "duplicates": sum(row.repeats for row in science),
        "messages out": sum(row.written for row in distributed),
    }
    summary = ScienceSummary(Path(settings.survey_root))
    found: dict[str, Counts] = {
        "all": list(totals.items()),
        "real or bogus": summary.by_reality(),
        "solar-system code": summary.by_solar_system_code(),
        "class": summary.by_class(),
        "filter": _by_filter(settings).most_common(),
    }
    tables = [
        counts(title, "alerts", [(name, str(count)) for name, count in some])
        for title, some in found.items()
    ]
    show(*tables, side_by_side=True)
    show_findings(findings)


def _by_filter(settings: Settings) -> Counter[str]:
    """Alerts that went out by filter; those of a filter without any are told too."""
    from broker.tables.ledger import Ledger

    matched: Counter[str] = Counter()
    for row in Ledger(Storage(settings.survey_root)).rows("distribute"):
        matched.update({item.name: item.matched for item in row.by_filter})
    return matched


def _show_as_subscriber(settings: Settings, console: Console) -> None:
    """Read one alert of the most selective filter that has any, as anybody may."""
    from broker.client import iterate
    from broker.client.show import BriefTable
    from broker.kafka.topic_names import topic_of

    sent = {name: count for name, count in _by_filter(settings).items() if count}
    if not sent:
        console.print("\n[bold]5. A subscriber[/] gets nothing: no alert matches a filter")
        return
    topic = topic_of(settings.kafka.output_prefix, settings.survey, min(sent, key=sent.__getitem__))
    console.print(f"\n[bold]5. A subscriber[/] of topic {topic} reads its first alert")
    table = BriefTable()
    for alert in iterate(topic, settings=settings, max_alerts=1, timeout_seconds=0):
        for line in table.lines(alert):
            console.print(f"   {line}", soft_wrap=True, markup=False)


def _show_next(settings: Settings, kafka: EmbeddedKafka | None, console: Console) -> None:
    root = os.path.relpath(settings.storage.root)
    command = "bin/nightjar"
    where = f"--set storage.root={root}"
    lines = [
        f"{command} audit --survey {settings.survey} {where}",
        f"{command} quarantine list --survey {settings.survey} {where}",
        f"{command} filter list --survey {settings.survey}",
    ]
    if kafka is not None:
        lines.append(f"{command} topics --servers {kafka.servers}")
        lines.append(f"{command} kafka stop --dir {root}/kafka")
    console.print("\n[bold]Try next[/]")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)
