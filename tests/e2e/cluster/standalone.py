"""A real Spark standalone cluster on loopback: a master, and workers that know nothing of us."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

from broker.kafka.embedded.host import HOST, free_port, port_is_free
from tests.e2e.site import Job, wait_until
from tests.quick_java import QUICK_JAVA

SPARK_HOME = Path(pyspark.__file__).parent
_CLASSES = "org.apache.spark.deploy"


@dataclass
class Standalone:
    """The processes of a cluster, each in a session of its own, with folders of their own."""

    folder: Path
    port: int = field(default_factory=free_port)
    workers: list[Job] = field(default_factory=list)
    _all: list[Job] = field(default_factory=list)

    @property
    def master(self) -> str:
        """Address for ``--master``."""
        return f"spark://{HOST}:{self.port}"

    def start(self) -> None:
        """Start the master."""
        self._launch("master", "master.Master", "--host", HOST, "--port", str(self.port))
        wait_until(lambda: not port_is_free(self.port), "the master listens")

    def complete(self) -> None:
        """Start workers, one core each, until there are two."""
        fresh = [self._add_worker() for _ in range(2 - len(self.workers))]
        for worker in fresh:
            worker.wait_for("Successfully registered with master")

    def _add_worker(self) -> Job:
        name = f"worker-{len(self._all)}"
        work = self.folder / name / "work"
        options = ["--host", HOST, "--cores", "1", "--memory", "1g", "--work-dir", str(work)]
        self.workers.append(self._launch(name, "worker.Worker", *options, self.master))
        return self.workers[-1]

    def _launch(self, name: str, program: str, *options: str) -> Job:
        folder = self.folder / name
        (folder / "conf").mkdir(parents=True)
        log = folder / "log"
        # Nothing of this process: no PYTHONPATH, no environment of ours on PATH, no conf.
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_CONF_DIR": str(folder / "conf"),
            "SPARK_LOCAL_IP": HOST,
            "NIGHTJAR_PYTHON": str(getattr(sys, "_base_executable", sys.executable)),
            **{name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ},
            **QUICK_JAVA,
        }
        words = [str(SPARK_HOME / "bin/spark-class"), f"{_CLASSES}.{program}", *options]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*words, "--webui-port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environ,
                start_new_session=True,
            )
        self._all.append(Job(process, log))
        return self._all[-1]

    def kill_worker_that_writes(self, folder: Path, job: Job) -> None:
        """Kill -9 of a worker with its executors and their Pythons in mid-task, as a lost machine.

        Parameters
        ----------
        folder
            In which a task of the job writes or will write.
        """
        writers: list[Job] = []

        def find() -> bool:
            writers.extend(worker for worker in self.workers if _has_open(worker, folder))
            return bool(writers) or job.process.poll() is not None

        wait_until(find, f"a worker writes in {folder}")
        assert writers, job.text
        self.kill_worker(writers[0])

    def kill_worker(self, worker: Job) -> None:
        """Kill -9 of everything of a worker."""
        worker.kill_everything()
        worker.wait_until_all_are_gone()
        self.workers.remove(worker)

    def stop(self) -> None:
        """Leave no process behind."""
        for job in self._all:
            job.kill_everything()
            job.process.wait()


def _has_open(worker: Job, folder: Path) -> bool:
    """Whether a process of a worker has a file below a folder open."""
    for pid in worker.programs().get("java", []):
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                if descriptor.readlink().is_relative_to(folder):
                    return True
    return False
