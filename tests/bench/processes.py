"""CPU time and memory of a process and all its descendants: JVM, workers, Kafka if it is one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Beginning of a thread's name, of which the kernel keeps 15 letters → what it does.
_THREADS = {
    "C1 Compiler": "JIT compiler",
    "C2 Compiler": "JIT compiler",
    "G1 ": "garbage collection",
    "GC Thread": "garbage collection",
    "VM Thread": "garbage collection",
    "Executor task": "Spark tasks",
    "stream exec": "planning, batches",
    "Thread-": "planning, batches",
    "dag-sched": "scheduling",
    "dispatcher": "scheduling",
    "task-result": "scheduling",
    "spark-listener": "scheduling",
    "python": "Python",
    "pyspark": "Python",
    "rdk:": "Kafka producer",
    "kafka": "Kafka reading",
}


def cpu_seconds(root: int | None = None) -> float:
    """CPU time so far, that of descendants which have ended included.

    Parameters
    ----------
    root
        Process id; none: this process.
    """
    return sum(sum(map(int, words[11:15])) for words in _tree(root)) / _TICKS


def peak_mb(root: int | None = None) -> float:
    """Sum of the largest resident sets that the processes alive now have had."""
    alive = [words for words in _tree(root) if not _is_java_forking(words)]
    return sum(_high_water_kb(int(words[-1])) for words in alive) / 1e3


def cpu_by_work(root: int) -> Counter[str]:
    """CPU time so far of the threads that are alive, by what they do."""
    found: Counter[str] = Counter()
    for words in _tree(root):
        for task in Path(f"/proc/{words[-1]}/task").glob("*/stat"):
            try:
                name, _, rest = task.read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue  # ended in the meantime
            work = next(
                (w for start, w in _THREADS.items() if name.startswith(start)),
                "the rest",
            )
            found[work] += sum(map(int, rest.split()[11:13])) / _TICKS
    return found


def _tree(root: int | None = None) -> Iterator[list[str]]:
    """Words of each process's stat file after its name, with the process id as the last."""
    stats: dict[int, list[str]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended in the meantime
        stats[int(entry.parent.name)] = [*words, entry.parent.name]
    waiting = [root or os.getpid()]
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            yield stats[pid]
        waiting += [child for child, words in stats.items() if int(words[1]) == pid]


def _is_java_forking(words: list[str]) -> bool:
    """Whether a process is Java about to start another program: its memory is its parent's."""
    try:
        parent, program = (Path(f"/proc/{pid}/exe").readlink() for pid in (words[1], words[-1]))
    except OSError:
        return False
    return parent == program and program.name == "java"


def _high_water_kb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0.0)
