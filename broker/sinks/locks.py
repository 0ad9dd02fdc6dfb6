"""One live writer per stage and survey."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from broker.errors import LockHeld
from broker.tables.layout import lock_path
from broker.tables.root_format import claim_format
from broker.tables.storage import Storage


class StageLock:
    """Context manager that holds ``locks/<stage>`` by ``flock`` for the life of the process.

    On HDFS, which has no ``flock``, the lock guards against a second writer on this machine only.

    Raises
    ------
    LockHeld
        Another live process holds it; the message names its process id.
    """

    def __init__(self, storage: Storage, stage: str) -> None:
        if storage.is_local:
            self.path = Path(storage.path(lock_path(stage)))
        else:
            name = storage.uri(stage).replace("/", "_")
            self.path = Path(f"/tmp/nightjar-{os.getuid()}") / name
        self._storage, self._stage = storage, stage

    def __enter__(self) -> StageLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise LockHeld(
                f"stage {self._stage} is being written by process {holder} (lock {self.path}); "
                "stop that one first, or give this one another storage.root"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        # Every writer comes by here before it writes.
        claim_format(self._storage)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def holder(storage: Storage, stage: str) -> int | None:
    """Process of this machine that holds a stage's lock, from ``/proc/locks``: nothing is tried.

    None where nobody does, or where the system has no ``/proc/locks``.
    """
    path = StageLock(storage, stage).path
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    # 1: FLOCK  ADVISORY  WRITE 4711 fe:00:393243 0 EOF
    for _, kind, _, _, pid, file, *_ in (line.split() for line in lines):
        if kind == "FLOCK" and file.rpartition(":")[2] == str(inode):
            return int(pid)
    return None
