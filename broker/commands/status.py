"""``nightjar status``: what runs, what waits and what came of the last day, on one screen."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.commands.terminal_table import counts, show, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from broker.pipeline.lag import Waiting
    from broker.settings import Settings
    from broker.tables.ledger import Commit, Ledger
    from broker.tables.storage import Storage

_DAY = 86_400.0
# Number of batches, the latest ones, whose latencies are shown.
_LATEST = 10


@dataclass(frozen=True)
class StageStatus:
    """One stage as it is now, and its batches of the last day.

    Attributes
    ----------
    process
        Id of the process that runs it; None where none does, or it runs on another machine.
    waiting
        Alerts that it has not processed yet; None where Kafka does not answer.
    last
        When its latest batch was committed (seconds since 1970).
    latency
        Seconds from Kafka to its commit: median, 99 % and most, of its latest batches.
    """

    name: str
    process: int | None
    waiting: Waiting | None
    last: float | None
    batches: list[Commit]
    latency: tuple[float, float, float] | None


def main(
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Show each stage's process, lag, speed and latency, and what came of the last day.

    Reads the ledger and asks Kafka, so it works whether anything runs or not.
    """
    from broker.settings import load_settings
    from broker.tables.ledger import Ledger
    from broker.tables.stages import STREAMING
    from broker.tables.storage import Storage

    settings = load_settings(survey, conf, words)
    storage = Storage(settings.survey_root)
    ledger = Ledger(storage)
    stages = [_status(storage, ledger, settings, stage) for stage in STREAMING]
    typer.echo(f"{settings.survey} in {settings.survey_root}{_disk(storage)}\n")
    show(_now(stages, time.time()))
    typer.echo()
    show(_last_day(stages))
    typer.echo("p50, p99, max: from an alert's arrival in Kafka to the commit of its batch\n")
    commits = [commit for stage in stages for commit in stage.batches]
    show(_filters(commits), _modules(commits), _quarantine(commits), side_by_side=True)


# --- look ----------------------------------------------------------------------------------------


def _status(storage: Storage, ledger: Ledger, settings: Settings, stage: str) -> StageStatus:
    from broker.pipeline.lag import recent, waiting, waiting_in_kafka
    from broker.sinks.locks import holder
    from broker.tables.stages import UPSTREAM

    batches = recent(ledger, stage, time.time() - _DAY, at_least=1)
    left = waiting(ledger, stage) if UPSTREAM[stage] else waiting_in_kafka(ledger, settings)
    return StageStatus(
        name=stage,
        process=holder(storage, stage),
        waiting=left,
        last=max((commit.at for commit in batches), default=None),
        batches=[commit for commit in batches if commit.at > time.time() - _DAY],
        latency=_latency(storage, batches[-_LATEST:]),
    )


def _latency(storage: Storage, batches: list[Commit]) -> tuple[float, float, float] | None:
    import numpy as np

    from broker.pipeline.lag import arrival_times

    spans = [commit.at - arrival_times(storage, commit.row) for commit in batches]
    seconds = np.concatenate([np.empty(0), *spans])
    if not seconds.size:
        return None
    median, late = np.percentile(seconds, [50, 99])
    return float(median), float(late), float(seconds.max())


def _disk(storage: Storage) -> str:
    root = Path(storage.path(""))
    if not storage.is_local or not root.exists():
        return ""
    usage = shutil.disk_usage(root)
    return f", {usage.free / 1e9:.0f} of {usage.total / 1e9:.0f} GB free"


# --- show ----------------------------------------------------------------------------------------


def _now(stages: list[StageStatus], now: float) -> Table:
    rows = []
    for stage in stages:
        since = stage.waiting.since if stage.waiting else None
        rows.append(
            (
                stage.name,
                str(stage.process) if stage.process else Text("none", "yellow"),
                "unknown" if stage.waiting is None else str(stage.waiting.alerts),
                _span(None if since is None else now - since),
                _span(None if stage.last is None else now - stage.last),
            )
        )
    numbers = ("process", "waiting", "for", "last batch")
    return table(("now", *numbers), rows, numbers=numbers)


def _last_day(stages: list[StageStatus]) -> Table:
    rows = []
    for stage in stages:
        seconds = sum(commit.row.seconds for commit in stage.batches)
        read = sum(commit.row.read for commit in stage.batches)
        rows.append(
            (
                stage.name,
                str(len(stage.batches)),
                str(read),
                str(sum(commit.row.written for commit in stage.batches)),
                f"{seconds / len(stage.batches):.2f}" if stage.batches else "-",
                f"{read / seconds:.0f}" if seconds else "-",
                *map(_span, stage.latency or (None, None, None)),
            )
        )
    numbers = ("batches", "in", "out", "s/batch", "alerts/s", "p50", "p99", "max")
    return table(("last 24 h", *numbers), rows, numbers=numbers)


def _filters(commits: Iterable[Commit]) -> Table:
    sent: Counter[str] = Counter()
    for commit in commits:
        sent.update({item.name: item.matched for item in commit.row.by_filter})
    return counts("filter", "alerts sent", [(n, str(c)) for n, c in sent.most_common()])


def _modules(commits: Iterable[Commit]) -> Table:
    seconds, failures, alerts = Counter[str](), Counter[str](), 0
    for commit in commits:
        alerts += commit.row.read if commit.row.by_module else 0
        for item in commit.row.by_module:
            seconds[item.name] += item.seconds  # type: ignore[assignment]
            failures[item.name] += item.failures
    costs = [
        (name, f"{1e6 * spent / max(alerts, 1):.0f} µs, {failures[name]} failed")
        for name, spent in seconds.items()
    ]
    return counts("module", "per alert", costs)


def _quarantine(commits: Iterable[Commit]) -> Table:
    packets: Counter[str] = Counter()
    for commit in commits:
        packets.update({item.reason: item.packets for item in commit.row.by_reason})
    return counts("quarantined for", "packets", [(n, str(c)) for n, c in packets.most_common()])


def _span(seconds: float | None) -> str:
    """A time span in few letters."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
