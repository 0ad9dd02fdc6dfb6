"""Speed of distribute: one filter, the ten that ship, and twenty-five, over the same batches.

Synthetic alerts go through the science modules once; copies of them under fresh ids make the
science batches. Then one Spark session distributes them with one set of filters after the other,
round after round, into an embedded Kafka. The first batches of each round are start-up and do not
count: Kafka is still making the topics, four partitions a filter.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from broker.pipeline.distribute import Distribute
from broker.pipeline.runner import Runner
from broker.science.engine.apply import apply_modules
from broker.settings import CONF_FOLDER, Settings, load_settings
from broker.simulator.generated import GeneratedNight
from broker.spark.session import build_session
from broker.surveys import get_survey
from broker.tables.ledger import Ledger
from broker.tables.storage import Storage
from tests.builders import write_batches
from tests.recorded_packets import raw_table

SURVEY = "ztf"
AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
UNIQUE_ALERTS = 2000
STARTING = 3
SETS = {"1 filter": 1, "10 filters": 10, "25 filters": 25}
FIRST = "real_not_solar_system"


@dataclass(frozen=True)
class Run:
    """One set of filters, all batches but the first `STARTING` and the last: what it took.

    Attributes
    ----------
    cpu_seconds
        Of the driver's two processes, which are all there is in local mode; Kafka's are not in it.
    python_mb, jvm_mb
        Resident memory of the driver's two processes before each batch.
    """

    alerts: int
    messages: int
    seconds: float
    cpu_seconds: float
    python_mb: list[float]
    jvm_mb: list[float]


def main() -> None:
    """Print alerts per second of each set, their ratio, and the memory on the way."""
    options = parse_options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        kafka = EmbeddedKafka(folder / "kafka", free_port())
        kafka.start()
        try:
            spark = build_session("bench distribute")
            rows = science_rows(spark, folder)
            fill(folder / "tables", rows, options.alerts, options.batch)
            runs: dict[str, list[Run]] = {name: [] for name in SETS}
            for number in range(options.runs):
                for name, n_filters in SETS.items():
                    settings = settings_of(folder, kafka, f"r{number}n{n_filters}", n_filters)
                    runs[name].append(distribute(spark, settings))
                    show(name, runs[name][-1])
            spark.stop()
        finally:
            kafka.stop()
    report(runs)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench distribute", description=__doc__)
    parser.add_argument("--alerts", type=int, default=70_000)
    parser.add_argument("--batch", type=int, default=5_000, help="alerts in a science batch")
    parser.add_argument("--runs", type=int, default=2)
    return parser.parse_args()


def science_rows(spark: SparkSession, folder: Path) -> pa.Table:
    """Science rows of a synthetic night, by the modules of the settings."""
    packets = [_record(alert.value) for alert in GeneratedNight(UNIQUE_ALERTS, seed=1).alerts()]
    pq.write_table(raw_table(packets, SURVEY), folder / "raw.parquet")
    raw = spark.read.parquet(str(folder / "raw.parquet"))
    settings = load_settings(SURVEY, environ={}).science
    return apply_modules(raw, get_survey(SURVEY), settings, AT).toArrow()


def fill(root: Path, rows: pa.Table, alerts: int, batch: int) -> None:
    """Science batches of copies of the rows, each alert under an id of its own."""
    place = rows.schema.get_field_index("alert_id")
    for number in range(alerts // batch):
        numbers = range(number * batch, (number + 1) * batch)
        copy = rows.take([k % rows.num_rows for k in numbers])
        ids = pa.array([1009 * k + 2**61 for k in numbers])
        write_batches(root, SURVEY, [copy.set_column(place, "alert_id", ids)], first=number)


def settings_of(folder: Path, kafka: EmbeddedKafka, name: str, n_filters: int) -> Settings:
    """Settings of one run: the tables of all, a ledger, topics and filters of its own."""
    root = folder / name
    (root / SURVEY).mkdir(parents=True)
    (root / SURVEY / "online").symlink_to(folder / "tables" / SURVEY / "online")
    shutil.copytree(folder / "tables" / SURVEY / "ledger", root / SURVEY / "ledger")
    write_filters(root / "filters", n_filters)
    words = [
        f"storage.root={root}",
        f"kafka.servers={kafka.servers}",
        f"kafka.output_prefix={name}",
        f"filters.folder={root / 'filters'}",
    ]
    return load_settings(SURVEY, overrides=words, environ={})


def write_filters(folder: Path, number: int) -> None:
    """The broadest one, then the others that ship, then variants of one, no two the same."""
    folder.mkdir()
    shipped = [path for path in sorted((CONF_FOLDER / "filters").glob("*.toml")) if _is_ours(path)]
    shipped.sort(key=lambda path: path.stem != FIRST)
    for path in shipped[:number]:
        shutil.copy(path, folder)
    for k in range(len(shipped), number):
        text = (CONF_FOLDER / "filters" / "supernova_candidates.toml").read_text()
        text = text.replace('"supernova_candidates"', f'"variant_{k}"')
        text = text.replace("n_detections >= 3", f"n_detections >= {3 + k % 7}")
        text = text.replace("> 0.5", f"> {0.5 + k / 1000:.3f}")
        (folder / f"variant_{k}.toml").write_text(text)


def distribute(spark: SparkSession, settings: Settings) -> Run:
    """Send all batches."""
    runner = Runner(spark, once=True)
    began: list[float] = []
    cpu: list[float] = []
    python_mb: list[float] = []
    jvm_mb: list[float] = []
    jvm = spark_jvm()

    def between_batches() -> None:
        began.append(time.perf_counter())
        cpu.append(cpu_seconds("self") + cpu_seconds(jvm))
        python_mb.append(resident_mb("self"))
        jvm_mb.append(resident_mb(jvm))
        runner.check_stop()

    runner.run([Distribute(spark, settings, between_batches).stream()])
    rows = sorted(Ledger(Storage(settings.survey_root)).rows("distribute"), key=lambda r: r.key)
    assert len(rows) == len(began)
    counted = rows[STARTING:-1]
    return Run(
        alerts=sum(row.read for row in counted),
        messages=sum(row.written for row in counted),
        seconds=began[-1] - began[STARTING],
        cpu_seconds=cpu[-1] - cpu[STARTING],
        python_mb=python_mb,
        jvm_mb=jvm_mb,
    )


def spark_jvm() -> str:
    """Process id of the session's JVM."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return next(pid for pid, line in words.items() if b"SparkSubmit" in line)


def cpu_seconds(process: str) -> float:
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process: str) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def show(name: str, run: Run) -> None:
    print(
        f"{name:10} {run.alerts} alerts in {run.seconds:.1f} s: {run.alerts / run.seconds:.0f} "
        f"alerts/s in, {run.messages / run.seconds:.0f} messages/s out",
        flush=True,
    )


def report(runs: dict[str, list[Run]]) -> None:
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.strftime('%F')}")
    seconds = {name: statistics.median(run.seconds for run in some) for name, some in runs.items()}
    for name, some in runs.items():
        rates = [run.alerts / run.seconds for run in some]
        per_cpu = statistics.median(run.alerts / run.cpu_seconds for run in some)
        print(
            f"{name:10} {statistics.median(rates):7.0f} alerts/s ({min(rates):.0f}–"
            f"{max(rates):.0f}), {per_cpu:.0f} per CPU second; {some[0].messages} messages"
        )
    one, *_, most = SETS
    print(f"\n{most} cost {seconds[most] / seconds[one]:.2f} times {one}")
    print("\nMB resident on the way through the alerts, round by round")
    for name, some in runs.items():
        for run in some:
            python, jvm = on_the_way(run.python_mb), on_the_way(run.jvm_mb)
            print(f"{name:10} Python {python}    JVM {jvm}")


def on_the_way(memory: list[float]) -> str:
    """At the start, after each quarter, and at the end."""
    last = len(memory) - 1
    return " → ".join(f"{memory[last * k // 4]:.0f}" for k in range(5))


def _record(value: bytes) -> dict[str, object]:
    (record,) = fastavro.reader(io.BytesIO(value))
    return record  # type: ignore[return-value]


def _is_ours(path: Path) -> bool:
    return f'survey = "{SURVEY}"' in path.read_text()


if __name__ == "__main__":
    main()
