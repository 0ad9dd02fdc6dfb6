"""One run of all stages as an operator starts it, watched from outside until all is published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.kafka.host import free_port
from broker.settings import PROJECT_ROOT
from broker.sinks.ledger import Ledger, LedgerRow
from broker.storage import Storage
from tests.bench.processes import cpu_by_work, cpu_seconds, peak_mb

STAGES = ("raw", "science", "distribute")
_STEP_SECONDS = 0.2
_PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Figures:
    """What one run came to.

    Attributes
    ----------
    alerts, messages
        Read from Kafka, and published.
    seconds
        From the first batch's read to the last batch's commit.
    startup
        From the start of the process to the first batch: JVM, models, rehearsal.
    cpu, startup_cpu
        CPU seconds of all processes in these two spans; Kafka is none of them.
    peak_mb
        Largest resident sets of all processes, added up.
    busy
        Stage → seconds in its batches.
    task_cpu
        Stage → CPU seconds of its Spark tasks in the JVM.
    work
        What threads do → CPU seconds between start-up and end.
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
    startup: float
    cpu: float
    startup_cpu: float
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
        options = [f"--conf={option}" for option in (f"spark.ui.port={self._port}", *spark)]
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

    def drain(self, alerts: int) -> Figures:
        """Watch it until so many alerts have passed every stage."""
        first = self.wait_for(lambda: _modified(self.storage, "checkpoints/stream2raw/offsets/0"))
        startup_cpu, at_start = cpu_seconds(self.pid), cpu_by_work(self.pid)
        self.wait_for(lambda: self.done() >= alerts)
        cpu, at_end = cpu_seconds(self.pid) - startup_cpu, cpu_by_work(self.pid)
        last = max(batch.committed for batch in self.batches())
        rows = {stage: self.rows(stage) for stage in STAGES}
        return Figures(
            alerts=sum(row.read for row in rows["raw"]),
            messages=sum(row.written for row in rows["distribute"]),
            seconds=last - first,
            startup=first - self._began,
            cpu=cpu,
            startup_cpu=startup_cpu,
            peak_mb=peak_mb(self.pid),
            busy={stage: sum(row.seconds for row in rows[stage]) for stage in STAGES},
            task_cpu=self._task_cpu(),
            work=dict(at_end - at_start),
            modules=_by_module(rows["science"]),
            batches={stage: len(rows[stage]) for stage in STAGES},
            bytes_per_alert=self._bytes_per_alert(alerts),
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
        """Let it do nothing between two batches, whatever comes, until `resume`."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

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

    def _task_cpu(self) -> dict[str, float]:
        """From Spark's own pages, where every query is a pool."""
        base = f"http://127.0.0.1:{self._port}/api/v1/applications"
        (application,) = _get(base)
        spent: Counter[str] = Counter()
        for stage in _get(f"{base}/{application['id']}/stages?status=complete"):
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
