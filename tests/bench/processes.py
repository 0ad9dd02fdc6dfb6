"""CPU time and memory of this process and all its descendants: JVM, workers, Kafka if it is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def cpu_seconds() -> float:
    """CPU time so far, that of descendants which have ended included."""
    return sum(sum(map(int, words[11:15])) for words in _tree()) / os.sysconf("SC_CLK_TCK")


def peak_mb() -> float:
    """Sum of the largest resident sets that the processes alive now have had."""
    return sum(_high_water_kb(int(words[-1])) for words in _tree()) / 1e3


def _tree() -> Iterator[list[str]]:
    """Words of each process's stat file after its name, with the process id as the last."""
    stats: dict[int, list[str]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended in the meantime
        stats[int(entry.parent.name)] = [*words, entry.parent.name]
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            yield stats[pid]
        waiting += [child for child, words in stats.items() if int(words[1]) == pid]


def _high_water_kb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0.0)
