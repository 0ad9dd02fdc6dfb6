"""What every benchmark writes beside its figures: machine, versions, commit, time."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from broker.settings import PROJECT_ROOT

_PACKAGES = ("nightjar", "pyspark", "pyarrow", "confluent-kafka", "fastavro", "lightgbm")


def write_record(path: Path | None, name: str, figures: dict[str, Any]) -> None:
    """Print where this was measured, and write all of it as JSON where a file is asked for."""
    record = {"benchmark": name, **_where()}
    print(
        f"\n{record['cpu']}, {record['cores']} cores, {record['memory_gb']:.0f} GB; Python "
        f"{record['python']}, PySpark {version('pyspark')}, {record['java']}; commit "
        f"{record['commit']}, {record['time']}, load {record['load']:.1f}"
    )
    if path is not None:
        path.write_text(json.dumps(record | figures, indent=2))
        print(f"written to {path}")


def _where() -> dict[str, Any]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "memory_gb": memory / 1e9,
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "java": _java(),
        "versions": {name: version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _java() -> str:
    done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    return (done.stderr.splitlines() or ["no java on PATH"])[0]


def _commit() -> str:
    """Short commit, with a plus where the checkout has changes."""
    commit, changes = (_git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain"))
    return f"{commit or 'unknown'}{'+' if changes else ''}"


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], capture_output=True, text=True, check=False, cwd=PROJECT_ROOT
    )
    return done.stdout.strip()
