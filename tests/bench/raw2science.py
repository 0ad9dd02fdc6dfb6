"""Speed of raw2science: a backlog of raw batches through all modules, into science batches.

Synthetic packets with their histories, and copies of them under fresh ids, make the raw table,
without images, as nothing reads them. Then the job itself, ``--once``, in a process of its own for
each run. Seconds are from the start of the first batch to the last commit; start-up is apart.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import fastavro
import numpy as np
import pyarrow as pa

from broker.settings import PROJECT_ROOT, Settings, load_settings
from broker.simulator.generated import GeneratedNight
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow
from broker.tables.storage import Storage
from tests.bench.ingest import last_written
from tests.bench.processes import cpu_seconds, peak_mb
from tests.builders import commit_batch, offsets_of
from tests.recorded_packets import raw_table
from tests.science_rows import FIRST_ID

SURVEY = "ztf"
UNIQUE_ALERTS = 4000


@dataclass(frozen=True)
class Run:
    """One backlog: alerts, seconds at work, start-up seconds, of each batch, CPU seconds by module;
    and of all its processes, start-up included, CPU seconds and peak resident MB.
    """

    alerts: int
    seconds: float
    startup: float
    batches: list[float]
    modules: dict[str, float]
    cpu: float
    peak_mb: float


def main() -> None:
    """Print alerts/s of each run, where the time goes, and the median."""
    options = parse_options()
    if options.root:
        print(json.dumps(asdict(drain(settings_for(options.root)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_raw(Storage(settings_for(folder).survey_root), options.alerts, options.batch)
        runs = []
        for _ in range(options.runs):
            runs.append(run_apart(folder))
            report_run(runs[-1])
    report(runs, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench raw2science", description=__doc__)
    parser.add_argument("--alerts", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=7_000, help="alerts in a raw batch")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    return parser.parse_args()


def settings_for(root: str) -> Settings:
    return load_settings(SURVEY, overrides=[f"storage.root={root}"])


def write_raw(storage: Storage, alerts: int, batch: int) -> None:
    """Commit raw batches of so many alerts, each under an id of its own."""
    packets = [
        next(fastavro.reader(io.BytesIO(alert.value)))
        for alert in GeneratedNight(min(alerts, UNIQUE_ALERTS), seed=1).alerts()
    ]
    rows = raw_table(packets, SURVEY)
    for number, table in enumerate(in_batches(rows, alerts, batch)):
        key = f"abcdef01-{number:06d}"
        commit_batch(storage, "raw", key, {"raw": table}, 2, offsets=offsets_of(table))


def in_batches(rows: pa.Table, alerts: int, batch: int) -> Iterator[pa.Table]:
    place = rows.schema.get_field_index("alert_id")
    for first in range(0, alerts, batch):
        numbers = np.arange(first, min(first + batch, alerts))
        copies = rows.take(numbers % rows.num_rows)
        yield copies.set_column(place, "alert_id", pa.array(FIRST_ID + numbers))


def run_apart(root: str) -> Run:
    """Run the job in a process of its own, on a site that has raw batches only."""
    for folder in ("online/science", "ledger/stage=science", "checkpoints", "staging"):
        shutil.rmtree(Path(root) / SURVEY / folder, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.raw2science", "--root", root],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def drain(settings: Settings) -> Run:
    from broker.pipeline.runner import Runner
    from broker.pipeline.science import Raw2Science
    from broker.spark.session import build_session

    began = time.time()
    spark = build_session("bench raw2science")
    runner = Runner(spark, once=True)
    runner.run([Raw2Science(spark, settings, runner.check_stop).stream()])
    rows = Ledger(Storage(settings.survey_root)).rows("science")
    first = min(row.batch_time for row in rows).timestamp()
    return Run(
        alerts=sum(row.written for row in rows),
        seconds=last_written(Path(settings.survey_root) / "ledger/stage=science") - first,
        startup=first - began,
        batches=[row.seconds for row in rows],
        modules=by_module(rows),
        cpu=cpu_seconds(),
        peak_mb=peak_mb(),
    )


def by_module(rows: list[LedgerRow]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for row in rows:
        for module in row.by_module:
            seconds[module.name] = seconds.get(module.name, 0.0) + module.seconds
    return seconds


def report_run(run: Run) -> None:
    batches = ", ".join(f"{seconds:.2f}" for seconds in run.batches)
    modules = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.modules.items())
    print(
        f"{run.alerts} alerts in {run.seconds:6.2f} s ({run.alerts / run.seconds:6.0f}/s), "
        f"start-up {run.startup:.1f} s, CPU {run.cpu:.1f} s, peak {run.peak_mb:.0f} MB, "
        f"load {os.getloadavg()[0]:.1f}\n  batches {batches} s; CPU seconds: {modules}",
        flush=True,
    )


def report(runs: list[Run], options: argparse.Namespace) -> None:
    cores = os.cpu_count() or 1
    rates = sorted(run.alerts / run.seconds for run in runs)
    rate = statistics.median(rates)
    print(
        f"\nmedian of {options.runs} runs, {cores} cores: {rate:.0f} alerts/s "
        f"({rates[0]:.0f}–{rates[-1]:.0f}), {rate / cores:.0f} per core, "
        f"peak {max(run.peak_mb for run in runs):.0f} MB"
    )


if __name__ == "__main__":
    main()
