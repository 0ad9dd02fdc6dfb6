"""Storage that dies at a chosen step, as a process that is killed there does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from broker.tables.storage import Storage


class Killed(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches SIGKILL."""


class MortalStorage(Storage):
    """Dies before, in the middle of, or after its n-th change to the files.

    Parameters
    ----------
    root
        As for `Storage`.
    lives
        So many steps are taken; None: it never dies. Each change is three steps.
    """

    def __init__(self, root: str, lives: int | None) -> None:
        super().__init__(root)
        self._lives = lives
        self.steps = 0

    def _step(self, half_done: Callable[[], Any] | None = None) -> None:
        if self._lives is not None and self.steps >= self._lives:
            if half_done is not None:
                half_done()
            raise Killed
        self.steps += 1

    def move(self, source: str, target: str) -> None:
        """Rename; half done is the target's parent."""
        self._step()
        self._step(lambda: self.make_folder(target.rpartition("/")[0]))
        super().move(source, target)
        self._step()

    def exchange(self, one: str, other: str) -> bool:
        """Exchange: it is done or not, never by halves."""
        self._step()
        done = super().exchange(one, other)
        self._step()
        return done

    def delete(self, path: str) -> None:
        """Delete; half done is all but one file of a folder."""
        self._step()
        self._step(lambda: self._delete_some(path))
        super().delete(path)
        self._step()

    def write_table(self, table: pa.Table, path: str) -> None:
        """Write; half done is a cut file under the temporary name."""
        self._step()
        self._step(lambda: Path(self._temporary(path)).write_bytes(b"PAR1cut"))
        super().write_table(table, path)
        self._step()

    def _delete_some(self, path: str) -> None:
        folder = Path(self.path(path))
        for item in sorted(folder.glob("*"))[1:]:
            shutil.rmtree(item) if item.is_dir() else item.unlink()
