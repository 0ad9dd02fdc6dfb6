"""Loaded by Python at its start where a test puts this folder on PYTHONPATH.

A fault point of the broker kills its own process. This decides who dies with it, or instead of it,
by ``KILL_WHOM``: ``both`` (Python and the JVM), ``jvm``, ``pause`` (nobody; the process waits
until the file ``KILL_MARK`` is gone). Without it nothing changes.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_kill = os.kill


def kill(pid: int, number: int) -> None:
    """As `os.kill`, except that somebody else may die."""
    whom = os.environ.get("KILL_WHOM", "python")
    if pid != os.getpid() or number != signal.SIGKILL or whom == "python":
        _kill(pid, number)
    elif whom == "both":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    elif whom == "jvm":
        _kill(_jvm(), signal.SIGKILL)
    else:
        _pause(Path(os.environ["KILL_MARK"]))


def _jvm() -> int:
    """The parent under spark-submit, else the child that this process has started."""
    family = [os.getppid()]
    for children in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        family += map(int, children.read_text().split())
    return next(pid for pid in family if _program(pid) == "java")


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _pause(mark: Path) -> None:
    mark.touch()
    while mark.exists():
        time.sleep(0.05)


if "KILL_WHOM" in os.environ:
    os.kill = kill
