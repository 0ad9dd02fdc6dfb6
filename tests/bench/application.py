"""One run of all stages as an operator starts it, watched from outside until all is published."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.kafka.embedded.host import free_port
from broker.settings import PROJECT_ROOT
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow
from broker.tables.storage import Storage
from tests.bench.packets import Sender
from tests.bench.processes import cpu_by_work, cpu_seconds, peak_mb

STAGES = ("raw", "science", "distribute")
_STEP_SECONDS = 0.2
_PATIENCE_SECONDS = 900.0
# After its last commit each stage still writes its checkpoint.
_SETTLE_SECONDS = 3.0
# While it is paused nobody hears its heart beat.
_PATIENT = "spark.network.timeout=600s"


@dataclass(frozen=True)
class Figures:
    """What draining one backlog came to.

    Attributes
    ----------
    alerts, messages
        Read from Kafka, and published.
    seconds
        From the beginning to the last batch's commit.
    before
        From the start of the process to the beginning: for the first backlog the start-up.
    cpu
        CPU seconds of all processes from the beginning on; Kafka is none of them.
    peak_mb
        Largest resident sets of all processes so far, added up.
    busy
        Stage → seconds in its batches.
    task_cpu
        Stage → CPU seconds of its Spark tasks in the JVM.
    work
        What threads do → CPU seconds.
    modules
        Science module → CPU seconds.
    batches
        Stage → batches.
    bytes_per_alert
        Table → bytes of Parquet.
    """

    alerts: int
    messages: int
    seconds: float
    before: float
    cpu: float
    peak_mb: float
    busy: dict[str, float]
    task_cpu: dict[str, float]
    work: dict[str, float]
    modules: dict[str, float]
    batches: dict[str, int]
    bytes_per_alert: dict[str, float]


@dataclass(frozen=True)
class Batch:
    """A batch of a stage: alerts that it read, and when it began and was committed.

    Times are seconds since 1970.
    """

    stage: str
    alerts: int
    began: float
    committed: float


class Application:
    """All stages of one survey in a process tree of their own.

    Parameters
    ----------
    root
        Folder of the tables.
    survey
        Whose.
    words
        The settings, as ``--set`` and ``section.key=value`` in turn.
    spark
        Further options of Spark, ``key=value``.
    """

    def __init__(
        self, root: Path, survey: str, words: Sequence[str], spark: Sequence[str] = ()
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.storage = Storage(f"{root}/{survey}")
        self._earlier = {key for stage in STAGES for key in Ledger(self.storage).keys(stage)}
        self.log = root / "run.log"
        self._port = free_port()
        self._began = time.time()
        submit = [str(Path(sys.executable).parent / "spark-submit")]
        options = [
            f"--conf={option}" for option in (f"spark.ui.port={self._port}", _PATIENT, *spark)
        ]
        command = [*submit, *options, "jobs/run.py"]
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--survey", survey, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT_ROOT,
                env={**os.environ, "SPARK_CONF_DIR": str(PROJECT_ROOT / "conf")},
                start_new_session=True,
            )
        self._rows: dict[str, dict[str, LedgerRow]] = {stage: {} for stage in STAGES}

    @property
    def pid(self) -> int:
        """Of the process that everything else descends from."""
        return self._process.pid

    def drain_first(self, alerts: int) -> Figures:
        """Watch it drain the backlog that it finds at its start: from its first batch's read on."""
        first = self.wait_for(lambda: _modified(self.storage, "checkpoints/stream2raw/offsets/0"))
        return self._drain(alerts, float(first))

    def drain_next(self, alerts: int) -> Figures:
        """Let it go on after a pause, and watch it drain what has come meanwhile."""
        os.killpg(self.pid, signal.SIGCONT)
        return self._drain(alerts, time.time())

    def drain_all(self, sender: Sender, backlogs: Sequence[int]) -> Iterator[Figures]:
        """Watch it drain so many alerts after each other; the first ones wait at its start."""
        first, *later = backlogs
        yield self.drain_first(first)
        for alerts in later:
            self.pause()
            sender.send(alerts)
            yield self.drain_next(alerts)

    def _drain(self, alerts: int, began: float) -> Figures:
        passed, earlier = self.done(), {stage: self.rows(stage) for stage in STAGES}
        cpu, work = cpu_seconds(self.pid), cpu_by_work(self.pid)
        self.wait_for(lambda: self.done() >= passed + alerts)
        cpu, work = cpu_seconds(self.pid) - cpu, cpu_by_work(self.pid) - work
        rows = {stage: self.rows(stage)[len(earlier[stage]) :] for stage in STAGES}
        return Figures(
            alerts=sum(row.read for row in rows["raw"]),
            messages=sum(row.written for row in rows["distribute"]),
            seconds=max(batch.committed for batch in self.batches()) - began,
            before=began - self._began,
            cpu=cpu,
            peak_mb=peak_mb(self.pid),
            busy={stage: sum(row.seconds for row in rows[stage]) for stage in STAGES},
            task_cpu=self._task_cpu(began),
            work=dict(work),
            modules=_by_module(rows["science"]),
            batches={stage: len(rows[stage]) for stage in STAGES},
            bytes_per_alert=self._bytes_per_alert(passed + alerts),
        )

    def wait_for(self, look: Any) -> Any:
        """What ``look`` gives, once it gives anything."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (found := look()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the run ended too early:\n{self.log.read_text()[-3000:]}")
            time.sleep(_STEP_SECONDS)
        return found

    def done(self) -> int:
        """Alerts that every stage has finished, repeats and refused packets included."""
        finished = {row.key for row in self.rows("distribute")}
        return sum(row.read for row in self.rows("raw") if row.key in finished)

    def rows(self, stage: str) -> list[LedgerRow]:
        """Batches of a stage that this run has committed, in order."""
        known = self._rows[stage]
        ledger = Ledger(self.storage)
        for key in ledger.keys(stage):
            if key not in known and key not in self._earlier:
                known[key] = ledger.row(stage, key)
        return [known[key] for key in sorted(known)]

    def batches(self) -> list[Batch]:
        """Batches of all stages that this run has committed, those of each stage in order."""
        found = []
        for stage in STAGES:
            times = Ledger(self.storage).commit_times(stage)
            for row in self.rows(stage):
                committed = times[row.key]
                found.append(Batch(stage, row.read, committed - row.seconds, committed))
        return found

    def pause(self) -> None:
        """Let it do nothing between two batches, whatever comes, until `drain_next`."""
        time.sleep(_SETTLE_SECONDS)
        os.killpg(self.pid, signal.SIGSTOP)

    def stop(self) -> None:
        """End it as a service manager does."""
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(120)
        finally:
            self.kill()
        if code != 0:
            raise SystemExit(f"the run ended with {code}:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """Leave nothing behind."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _task_cpu(self, began: float) -> dict[str, float]:
        """From Spark's own pages, where every query is a pool: of what was begun since then."""
        base = f"http://127.0.0.1:{self._port}/api/v1/applications"
        (application,) = _get(base)
        spent: Counter[str] = Counter()
        for stage in _get(f"{base}/{application['id']}/stages?status=complete"):
            if _seconds(stage["submissionTime"]) >= began:
                spent[stage["schedulingPool"]] += stage["executorCpuTime"] / 1e9
        return {stage: spent[stage] for stage in STAGES}

    def _bytes_per_alert(self, alerts: int) -> dict[str, float]:
        tables = {}
        for table in ("raw", "science"):
            files = Path(self.storage.path(f"online/{table}")).rglob("*.parquet")
            tables[table] = sum(file.stat().st_size for file in files) / alerts
        return tables


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.load(answer)


def _seconds(time_of_spark: str) -> float:
    """Seconds since 1970 of a time as Spark's pages tell it."""
    return (
        dt.datetime.strptime(time_of_spark, "%Y-%m-%dT%H:%M:%S.%f%Z")
        .replace(tzinfo=dt.UTC)
        .timestamp()
    )


def _modified(storage: Storage, path: str) -> float:
    """When a file was written; 0 when it is not there."""
    try:
        return Path(storage.path(path)).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _by_module(rows: Sequence[LedgerRow]) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for row in rows:
        for module in row.by_module:
            spent[module.name] += module.seconds
    return dict(spent)
