"""Speed of stream2raw, beside two others over the same packets in the same run.

A topic of synthetic containers (~66 kB) is drained by

- ``stream2raw``: the job itself, ``--once``;
- ``bytes``: the same Spark Kafka read, written to Parquet undecoded;
- ``loop``: one process of confluent_kafka + fastavro that decodes, applies ``drb > 0.5`` and
  stores nothing.

Each runs in a process of its own, in turn, so often as asked. Seconds are from the start of the
first batch to the last commit; start-up is printed apart.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from broker.settings import PROJECT_ROOT, Settings, load_settings
from broker.simulator.generated import GeneratedNight
from broker.simulator.play import PlayPlan, play_night
from tests.bench.processes import cpu_seconds, peak_mb

TOPIC = "bench_ingest"
CONTENDERS = ("stream2raw", "bytes", "loop")


@dataclass(frozen=True)
class Run:
    """One drain: alerts, seconds at work, start-up seconds, and of all its processes, start-up
    included, CPU seconds and peak resident MB.
    """

    alerts: int
    seconds: float
    startup: float
    cpu: float
    peak_mb: float


def main() -> None:
    """Fill a topic, let the contenders drain it in turn, print rates and ratios."""
    options = parse_options()
    if options.contender:
        print(json.dumps(asdict(contend(options))))
        return
    with tempfile.TemporaryDirectory() as folder:
        kafka = EmbeddedKafka(Path(folder) / "kafka", free_port())
        kafka.start()
        try:
            play_night(
                settings_for(kafka.servers, folder),
                PlayPlan(),
                GeneratedNight(options.alerts, seed=1),
                "synthetic night",
            )
            runs = {name: [] for name in CONTENDERS}
            for _ in range(options.runs):
                for name in CONTENDERS:
                    runs[name].append(run_apart(name, kafka.servers, folder, options))
                    report_run(name, runs[name][-1])
        finally:
            kafka.stop()
    report(runs, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench ingest", description=__doc__)
    parser.add_argument("--alerts", type=int, default=8000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--servers", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def settings_for(servers: str, folder: str) -> Settings:
    words = [f"kafka.servers={servers}", f"kafka.input_topic={TOPIC}", f"storage.root={folder}"]
    return load_settings("ztf", overrides=words)


def run_apart(name: str, servers: str, folder: str, options: argparse.Namespace) -> Run:
    """Run a contender in a process of its own."""
    work = Path(folder) / "work"
    shutil.rmtree(work, ignore_errors=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.bench.ingest",
            "--contender",
            name,
            "--servers",
            servers,
            "--folder",
            str(work),
            "--alerts",
            str(options.alerts),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def contend(options: argparse.Namespace) -> Run:
    contenders: dict[str, Callable[[Settings, int], tuple[int, float, float]]] = {
        "stream2raw": drain_stream2raw,
        "bytes": drain_bytes,
        "loop": drain_loop,
    }
    settings = settings_for(options.servers, options.folder)
    alerts, seconds, startup = contenders[options.contender](settings, options.alerts)
    return Run(alerts, seconds, startup, cpu_seconds(), peak_mb())


def drain_stream2raw(settings: Settings, _: int) -> tuple[int, float, float]:
    from broker.pipeline.raw import Stream2Raw
    from broker.pipeline.runner import Runner
    from broker.spark.session import build_session
    from broker.tables.ledger import Ledger
    from broker.tables.storage import Storage

    began = time.time()
    spark = build_session("bench stream2raw")
    Runner(spark, once=True).run([Stream2Raw(spark, settings).stream()])
    rows = Ledger(Storage(settings.survey_root)).rows("raw")
    first = min(row.batch_time for row in rows).timestamp()
    last = last_written(Path(settings.survey_root) / "ledger/stage=raw")
    return sum(row.written for row in rows), last - first, first - began


def drain_bytes(settings: Settings, alerts: int) -> tuple[int, float, float]:
    from pyspark.sql import DataFrame

    from broker.ingest.offsets import Span
    from broker.ingest.source import stream_packets
    from broker.pipeline.raw import max_offsets
    from broker.spark.session import build_session

    began = time.time()
    spark = build_session("bench bytes")
    limit = max_offsets(settings.ingest, [b"x" * 70_000], {(TOPIC, 0): Span(0, alerts)})
    frame = stream_packets(spark, settings.kafka, {"startingOffsets": "earliest"}, limit)
    starts: list[float] = []

    def write(packets: DataFrame, batch_id: int) -> None:
        starts.append(time.time())
        packets.write.parquet(f"{settings.storage.root}/bytes/{batch_id}")

    checkpoint = f"{settings.storage.root}/checkpoint"
    query = (
        frame.writeStream.foreachBatch(write)
        .option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    alerts = spark.read.parquet(f"{settings.storage.root}/bytes/*").count()
    # The offset log is written just before the first batch begins.
    first = (Path(checkpoint) / "offsets" / "0").stat().st_mtime
    return alerts, last_written(Path(checkpoint) / "commits") - first, first - began


def last_written(folder: Path) -> float:
    """When the last file of a folder was written: the last commit."""
    return max(file.stat().st_mtime for file in folder.iterdir())


def drain_loop(settings: Settings, expected: int) -> tuple[int, float, float]:
    began = time.time()
    consumer = Consumer({"bootstrap.servers": settings.kafka.servers, "group.id": "bench"})
    partitions = consumer.list_topics(TOPIC).topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in partitions])
    alerts = chosen = 0
    first = time.time()
    while alerts < expected:
        for message in consumer.consume(500, timeout=5.0):
            record: Any = next(iter(fastavro.reader(io.BytesIO(message.value()))))
            alerts += 1
            chosen += (record["candidate"]["drb"] or 0) > 0.5
    ended = time.time()
    consumer.close()
    return alerts, ended - first, first - began


def report_run(name: str, run: Run) -> None:
    print(
        f"{name:12} {run.alerts} alerts in {run.seconds:6.2f} s "
        f"({run.alerts / run.seconds:6.0f}/s), start-up {run.startup:5.1f} s, "
        f"CPU {run.cpu:5.1f} s, peak {run.peak_mb:5.0f} MB",
        flush=True,
    )


def report(runs: dict[str, list[Run]], options: argparse.Namespace) -> None:
    cores = os.cpu_count() or 1
    rates = {name: [run.alerts / run.seconds for run in done] for name, done in runs.items()}
    print(
        f"\nmedians of {options.runs} runs, {options.alerts} alerts, {cores} cores, "
        f"Python {platform.python_version()}, PySpark {version('pyspark')}"
    )
    for name, done in runs.items():
        rate = statistics.median(rates[name])
        peak = max(run.peak_mb for run in done)
        print(f"{name:12} {rate:6.0f} alerts/s, {rate / cores:6.0f} per core, peak {peak:5.0f} MB")
    ratios = {}
    for other in ("loop", "bytes"):
        pairs = [a / b for a, b in zip(rates["stream2raw"], rates[other], strict=True)]
        ratios[f"stream2raw / {other}"] = pairs
        print(
            f"stream2raw / {other:6} {statistics.median(pairs):5.2f}  "
            f"(each run: {', '.join(f'{pair:.2f}' for pair in pairs)})"
        )
    if options.json:
        figures = {
            "time": dt.datetime.now(dt.UTC).isoformat(),
            "cores": cores,
            "ratios": ratios,
            "runs": {name: [asdict(run) for run in done] for name, done in runs.items()},
        }
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
