"""Speed of the science modules: recorded ZTF packets through the Arrow pass, on one core.

Raw rows in Parquet → the pass → a sink that throws the rows away. JVM and Python worker share one
pinned core, so the rate has everything in it: reading, Arrow both ways, modules. Then the same
functions as pandas UDFs of Spark's own, on what the pass makes of light curves without modules.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Observation

from broker.science.engine.apply import ScienceColumns, apply_modules
from broker.science.engine.udf_inputs import udf_inputs
from broker.science.modules import built_in
from broker.settings import PROJECT_ROOT, ScienceSettings, load_settings
from broker.spark.session import build_session
from broker.surveys import get_survey
from broker.tables.ledger_row import ModuleCount
from tests.bench.processes import cpu_seconds
from tests.recorded_packets import raw_table, ztf_packets

SURVEY = "ztf"
AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
WARM_UPS = 3


@dataclass(frozen=True)
class Run:
    """One run: wall and CPU seconds of all processes, CPU seconds by module."""

    wall: float
    cpu: float
    modules: tuple[ModuleCount, ...]


def main() -> None:
    """Print alerts/s and each module's share."""
    options = parse_options()
    os.sched_setaffinity(0, {options.core})
    settings = load_settings(SURVEY, overrides=options.words).science
    with tempfile.TemporaryDirectory() as folder:
        n_alerts = write_raw(options.data, Path(folder), options.alerts)
        spark = build_session("bench science")
        raw = spark.read.parquet(folder)
        scans = repeat(options.runs, lambda: scan(raw))
        runs = repeat(options.runs, lambda: run_modules(raw, settings))
        udfs = repeat(options.udf_runs, lambda: run_udfs(raw, settings))
        spark.stop()
    report(n_alerts, options.core, scans, runs, udfs)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench science", description=__doc__)
    parser.add_argument("--data", type=Path, default=PROJECT_ROOT.parent / "shared/data")
    parser.add_argument("--alerts", type=int, default=12_000, help="rows per run, about")
    parser.add_argument("--runs", type=int, default=5, help=f"after {WARM_UPS} to warm up")
    parser.add_argument("--udf-runs", type=int, default=0, help="of Spark's own evaluation too")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--set", dest="words", action="append", default=[], help="section.key=…")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f"recorded packets are not here: {options.data}; give --data")
    return options


def write_raw(data: Path, folder: Path, n_alerts: int) -> int:
    """Raw rows of all packets, as often as it takes; images are left out, as nothing reads them."""
    table = raw_table(ztf_packets(data), SURVEY)
    copies = max(1, round(n_alerts / table.num_rows))
    pq.write_table(pa.concat_tables([table] * copies), folder / "raw.parquet")
    return copies * table.num_rows


def repeat(runs: int, action: Callable[[], Run]) -> list[Run]:
    if not runs:
        return []
    return [action() for _ in range(WARM_UPS + runs)][WARM_UPS:]


def run_modules(raw: DataFrame, settings: ScienceSettings) -> Run:
    measured = Observation()
    columns = ScienceColumns.of(get_survey(SURVEY), settings)
    wall, cpu = timed(columns.rows(raw, AT, measured))
    return Run(wall, cpu, columns.by_module(measured.get))


def run_udfs(raw: DataFrame, settings: ScienceSettings) -> Run:
    """The modules as UDFs of Spark's own; the classifier reads two others, so comes after them."""
    alone = settings.model_copy(update={"modules": (), "folder": None})
    history = ("prv_candidates",)
    rows = apply_modules(raw, get_survey(SURVEY), alone, AT, carried=history)
    for module in built_in(SURVEY):
        inputs = udf_inputs(module, SURVEY, settings)
        rows = rows.withColumn(module.declaration.name, module(*inputs))
    wall, cpu = timed(rows.drop(*history))
    return Run(wall, cpu, ())


def scan(raw: DataFrame) -> Run:
    """Read what the pass reads, and nothing else."""
    histories = ("prv_candidates.jd", "prv_candidates.magpsf", "fp_hists.jd")
    wall, cpu = timed(raw.select("candidate", *histories, "alert_id", "healpix29", "ingest"))
    return Run(wall, cpu, ())


def timed(frame: DataFrame) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), cpu_seconds()
    frame.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - wall, cpu_seconds() - cpu


def report(n_alerts: int, core: int, scans: list[Run], runs: list[Run], udfs: list[Run]) -> None:
    print(f"{n_alerts} recorded {SURVEY} alerts with their histories, core {core} alone,")
    print(f"{len(runs)} runs after {WARM_UPS} to warm up; load {os.getloadavg()[0]:.1f}\n")
    titled = (
        ("all modules, Arrow both ways", runs),
        ("as UDFs of Spark's own", udfs),
        ("reading alone", scans),
    )
    for title, some in titled:
        if not some:
            continue
        walls = sorted(n_alerts / run.wall for run in some)
        cpu = statistics.median(n_alerts / run.cpu for run in some)
        print(
            f"{title:29} {statistics.median(walls):7.0f} alerts/s "
            f"({walls[0]:.0f}–{walls[-1]:.0f}); {cpu:.0f} per CPU second"
        )
    total = statistics.median(run.cpu for run in runs)
    print("\nshare of the CPU time")
    spent = 0.0
    for k, module in enumerate(runs[0].modules):
        seconds = statistics.median(run.modules[k].seconds for run in runs)
        spent += seconds
        show_share(module.name, seconds, total, n_alerts)
    reading = statistics.median(run.cpu for run in scans)
    show_share("reading Parquet", reading, total, n_alerts)
    show_share("Arrow, Spark, Python", total - spent - reading, total, n_alerts)


def show_share(name: str, seconds: float, total: float, n_alerts: int) -> None:
    print(f"  {name:22} {seconds / total:6.1%} {1e6 * seconds / n_alerts:8.1f} µs per alert")


if __name__ == "__main__":
    main()
