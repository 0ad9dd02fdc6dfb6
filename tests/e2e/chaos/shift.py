"""The one on shift: keeps the stages running, whatever ends them, as a service manager does.

All the time the ledger is folded, too, however new and few its rows are.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import resource
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from broker.archive.compact_ledger import compact_ledger
from broker.errors import NightjarError
from tests.e2e.chaos.schedule import FULL_DISK, KILL, STOP_KAFKA, Event
from tests.e2e.distribution.distributing import DistributeSite
from tests.e2e.site import ROOT, Job
from tests.job_environ import job_environ

# A query that died, and a process that was killed or outlived its JVM: start it again.
_RESTARTED = (3, -signal.SIGKILL)
_PAUSE_SECONDS = 1.0
_OLD_ENOUGH = dt.timedelta(days=2)


@dataclass
class Shift:
    """Stages that are started again when they end.

    Parameters
    ----------
    site
        Whose stages.
    commands
        Name of each process → its words.
    """

    site: DistributeSite
    commands: Mapping[str, list[str]]
    jobs: dict[str, Job] = field(default_factory=dict)
    started: list[Job] = field(default_factory=list)
    ends: dict[str, Counter[str]] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _pumps: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start every process, and watch them from now on."""
        for name in self.commands:
            self.ends[name] = Counter()
            self._launch(name)
        self._watch = threading.Thread(target=self._keep_running, daemon=True)
        self._watch.start()

    def stop(self) -> list[int]:
        """Ask every process to end after its batch; their exit codes."""
        self._over.set()
        self._watch.join()
        for job in self.jobs.values():
            job.process.send_signal(signal.SIGTERM)
        return [job.wait() for job in self.jobs.values()]

    def kill_all(self) -> None:
        """Leave no process behind."""
        self._over.set()
        for job in self.started:
            job.kill_everything()
            job.process.wait()
        for pump in self._pumps:
            pump.join()

    def strike(self, event: Event) -> None:
        """Let a blow fall; return when Kafka or the disk is back."""
        if event.what == KILL:
            with contextlib.suppress(OSError):  # it may just have died by itself
                self.jobs[event.stage].kill(event.victim)  # type: ignore[arg-type]
        elif event.what == FULL_DISK:
            self._fill_disk(self.jobs[event.stage], event)
        else:
            kafka = self.site.kafka
            pid = kafka.status().pid
            if event.what == STOP_KAFKA or pid is None:
                kafka.stop()
            else:
                os.kill(pid, signal.SIGKILL)
            time.sleep(event.seconds)
            kafka.start()

    def _fill_disk(self, job: Job, event: Event) -> None:
        hard = resource.RLIM_INFINITY
        for size in (event.room_bytes, hard):
            for pids in job.programs().values():
                for pid in pids:
                    _limit(pid, size, hard)
            if size != hard:
                time.sleep(event.seconds)

    # --- processes -----------------------------------------------------------------------------

    def _launch(self, name: str) -> None:
        path = self.site.root / f"{name}.log"
        process = subprocess.Popen(
            [*self.commands[name], *self.site.settings()],
            stdin=subprocess.DEVNULL,
            # Not into a file, which could not grow on a full disk.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=job_environ(),
            start_new_session=True,
        )
        assert process.stdout is not None
        self._pumps.append(threading.Thread(target=_pump, args=(process.stdout, path), daemon=True))
        self._pumps[-1].start()
        self.jobs[name] = Job(process, path)
        self.started.append(self.jobs[name])

    def _keep_running(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            self._fold()
            for name, job in list(self.jobs.items()):
                code = job.process.poll()
                if code is not None:
                    reason = job.reason if code == 3 else ""
                    self.ends[name][f"{code} {reason[:160]}"] += 1
                    if code not in _RESTARTED:
                        self.unexpected.append(f"{name} ended with {code}: {job.reason}")
                    self._launch(name)

    def _fold(self) -> None:
        try:
            compact_ledger(self.site.storage, dt.datetime.now(dt.UTC) + _OLD_ENOUGH)
        except (OSError, NightjarError) as error:
            self.unexpected.append(f"folding: {error!r}")


def _pump(source: IO[bytes], path: Path) -> None:
    with path.open("ab", buffering=0) as log:
        for line in source:
            log.write(line)


def _limit(pid: int, size: int, hard: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
