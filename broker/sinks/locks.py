"""One live writer per stage and survey."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from broker.errors import LockHeld
from broker.storage import Storage


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
            self._path = Path(storage.path(f"locks/{stage}"))
        else:
            name = storage.uri(stage).replace("/", "_")
            self._path = Path(f"/tmp/nightjar-{os.getuid()}") / name
        self._stage = stage

    def __enter__(self) -> StageLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise LockHeld(
                f"stage {self._stage} is being written by process {holder} (lock {self._path}); "
                "stop that one first, or give this one another storage.root"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
