"""One broker installation of a test: a folder of tables, a topic, and the jobs run on them."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession

from broker.commands.app import main
from broker.kafka.embedded.server import EmbeddedKafka
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow
from broker.tables.storage import Storage
from tests.job_environ import job_environ

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = ("python", "spark-submit")
Launcher = Literal["python", "spark-submit"]
Victim = Literal["python", "jvm", "both"]
JobName = Literal["stream2raw", "raw2science", "distribute"]
"""The jobs that stream."""
STAGES: dict[JobName, str] = {
    "stream2raw": "raw",
    "raw2science": "science",
    "distribute": "distribute",
}
Position = tuple[str, int, int]
_PATIENCE_SECONDS = 400.0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Look again and again; fail after some minutes, far beyond what anything takes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.1)


@dataclass
class Job:
    """A running job, with all that it says in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        """What the job has said so far."""
        return self.log.read_text(errors="replace")

    @property
    def reason(self) -> str:
        """Its last line, which names the reason of its end."""
        return _last_line(self.text)

    def wait(self) -> int:
        """Exit code, once it has ended."""
        return self.process.wait(_PATIENCE_SECONDS)

    def wait_for(self, text: str) -> None:
        """Return once the job has said something; fail when it ends before."""
        wait_until(
            lambda: text in self.text or self.process.poll() is not None, f"{text!r} is said"
        )
        assert text in self.text, self.text

    def programs(self) -> dict[str, list[int]]:
        """Process ids of the job's session by program name."""
        found: dict[str, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
                state, _, _, session = rest.split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.setdefault(name, []).append(int(folder.name))
        return found

    def kill(self, victim: Victim) -> None:
        """Kill -9 of the driver's Python, its JVM, or everything."""
        if victim == "both":
            os.killpg(self.process.pid, signal.SIGKILL)
            return
        programs = self.programs()
        pids = programs.get("java", []) if victim == "jvm" else self._driver(programs)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def kill_everything(self) -> None:
        """Kill -9 of every process of the job that is left."""
        for pids in self.programs().values():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @staticmethod
    def _driver(programs: dict[str, list[int]]) -> list[int]:
        """The Python that runs the job, not the JVM's workers."""
        pids = [pid for name, pids in programs.items() if name.startswith("python") for pid in pids]
        return [pid for pid in pids if b"jobs/" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def wait_until_all_are_gone(self) -> None:
        """Return when no process of the job is left; a JVM must follow its Python by itself."""
        wait_until(lambda: not self.programs(), "every process of the job has ended")


@dataclass(frozen=True)
class Ended:
    """How a job or a command ended that ran in this process."""

    code: int
    text: str

    @property
    def reason(self) -> str:
        """Its last line, which names the reason of its end."""
        return _last_line(self.text)


@dataclass
class Site:
    """A root folder with the settings that point a job to it."""

    root: Path
    kafka: EmbeddedKafka
    topic: str
    survey: str = "ztf"
    words: dict[str, str] = field(default_factory=dict)
    _jobs: list[Job] = field(default_factory=list)

    @property
    def storage(self) -> Storage:
        """The survey's folder."""
        return Storage(str(self.root / self.survey))

    # --- jobs --------------------------------------------------------------------------------

    def start(
        self,
        *options: str,
        name: JobName = "stream2raw",
        launcher: Launcher = "python",
        fault: str | None = None,
        whom: str | None = None,
        **popen: Any,
    ) -> Job:
        """Start a job; a fault point may kill it, or whom the test says."""
        environ = job_environ(killing=bool(whom))
        if fault:
            environ["NIGHTJAR_FAULT"] = f"{STAGES[name]}:{fault}"
        if whom:
            environ["KILL_WHOM"] = whom
            environ["KILL_MARK"] = str(self.mark)
        programs = {"python": sys.executable, "spark-submit": _beside_python("spark-submit")}
        job = [f"jobs/{name}.py", "--survey", self.survey, *options, *self.settings()]
        return self._run([programs[launcher], *job], environ, **popen)

    def run(self, *options: str, **how: Any) -> Job:
        """Run a job with what is there, to its end."""
        job = self.start("--once", *options, **how)
        job.wait()
        return job

    def run_in_process(
        self, spark: SparkSession, name: JobName = "stream2raw", *options: str
    ) -> Ended:
        """Run a job with what is there in this process, where Spark runs already, to its end."""
        return self.nightjar("run", "--stage", STAGES[name], "--once", *options)

    def nightjar(self, *words: str) -> Ended:
        """Run a command of the command line on this site in this process, to its end."""
        return listen_to(lambda: main([*words, "--survey", self.survey, *self.settings()]))

    @property
    def overrides(self) -> list[str]:
        """The settings of this site, ``section.key=value``."""
        words = {
            "storage.root": str(self.root),
            "kafka.servers": self.kafka.servers,
            "kafka.input_topic": self.topic,
        } | self.words
        return [f"{key}={value}" for key, value in words.items()]

    def settings(self) -> Iterator[str]:
        """The words that point a command here."""
        for override in self.overrides:
            yield from ("--set", override)

    def _run(self, command: Sequence[str], environ: dict[str, str], **popen: Any) -> Job:
        self.root.mkdir(exist_ok=True)
        log = self.root / f"job-{len(self._jobs)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environ,
                start_new_session=True,
                **popen,
            )
        job = Job(process, log)
        self._jobs.append(job)
        return job

    def stop_all(self) -> None:
        """Leave no process behind, whatever failed."""
        for job in self._jobs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.process.pid, signal.SIGKILL)
            job.process.wait()

    # --- what has come of it -----------------------------------------------------------------

    @property
    def mark(self) -> Path:
        """There while a job waits at a fault point with ``whom="pause"``."""
        return self.root / "paused"

    def wait_for_mark(self, job: Job) -> None:
        """Return once a job waits at its fault point, in the middle of a batch."""
        wait_until(lambda: self.mark.exists() or job.process.poll() is not None, "it waits")
        assert self.mark.exists(), job.text

    def committed(self, name: JobName = "stream2raw") -> list[LedgerRow]:
        """Ledger rows of a job."""
        return Ledger(self.storage).rows(STAGES[name])

    def staged(self, name: JobName = "stream2raw") -> list[str]:
        """What a job has in staging."""
        return self.storage.names(f"staging/{STAGES[name]}")

    def offsets(self, folder: str, name: JobName = "stream2raw") -> list[int]:
        """Batch numbers in Spark's ``offsets`` or ``commits``."""
        names = self.storage.names(f"checkpoints/{name}/{folder}")
        return sorted(int(name) for name in names if name.isdigit())

    def raw_by_pyarrow(self) -> list[Position]:
        """Kafka positions of all raw rows, sorted."""
        folder = self.root / self.survey / "online/raw"
        if not folder.exists():
            return []
        layout = ds.partitioning(
            pa.schema([("night", pa.int32()), ("batch", pa.string())]), flavor="hive"
        )
        rows = ds.dataset(str(folder), format="parquet", partitioning=layout).to_table(["ingest"])
        return sorted(_position(row) for row in rows["ingest"].to_pylist())

    def raw_by_duckdb(self) -> list[Position]:
        """The same as DuckDB sees it, which reads hidden and unfinished files too."""
        files = f"{self.root / self.survey}/online/raw/**/*.parquet"
        query = "SELECT ingest FROM read_parquet(?, hive_partitioning = true)"
        return sorted(_position(row) for (row,) in duckdb.execute(query, [files]).fetchall())

    def raw_by_spark(self, spark: SparkSession) -> list[Position]:
        """The same as Spark sees it."""
        rows = spark.read.parquet(f"{self.root / self.survey}/online/raw").select("ingest")
        return sorted(_position(row.ingest.asDict()) for row in rows.collect())

    def audit(self, *options: str) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and findings of ``nightjar audit``."""
        ended = self.nightjar("audit", "--json", *options)
        return ended.code, json.JSONDecoder().raw_decode(ended.text)[0]


def listen_to(run: Callable[[], int]) -> Ended:
    """What a job or command in this process says and logs, and its exit code."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    said = io.StringIO()
    log, lines = logging.getLogger("broker"), logging.StreamHandler(said)
    log.addHandler(lines)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run()
    finally:
        log.removeHandler(lines)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Ended(code, said.getvalue())


def _last_line(text: str) -> str:
    """The last line of a job itself; Spark may still warn of tasks that it gave up."""
    lines = [line for line in text.strip().splitlines() if " WARN " not in line]
    return lines[-1] if lines else ""


def _position(row: dict[str, Any]) -> Position:
    return row["topic"], row["partition"], row["offset"]


def _beside_python(program: str) -> str:
    return str(Path(sys.executable).parent / program)


def make_topic(kafka: EmbeddedKafka, name: str, partitions: int = 1) -> None:
    """Make a topic and wait until it is there."""
    admin = AdminClient(kafka.client_options())
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
    wait_until(lambda: name in admin.list_topics(timeout=10).topics, f"topic {name} is there")


def produce(kafka: EmbeddedKafka, topic: str, values: Sequence[bytes | None]) -> None:
    """Send messages round the topic's partitions, every delivery confirmed."""
    producer = Producer({**kafka.client_options(), "message.max.bytes": 10_000_000})
    partitions = len(producer.list_topics(topic, 10).topics[topic].partitions)
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions)
        producer.poll(0)
    assert producer.flush(60) == 0


def positions(topic: str, count: int, partitions: int = 1) -> list[Position]:
    """Where so many messages lie that went round the partitions."""
    return sorted((topic, n % partitions, n // partitions) for n in range(count))
