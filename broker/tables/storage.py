"""Storage: the file-system operations that commits are made of, on POSIX paths and on HDFS.

Everything rests on ``rename`` being atomic within one file system; object stores have none and
are refused by the settings.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from broker.errors import PublishError
from broker.tables.root_format import check_format


class Storage:
    """Files below one root; every path is relative to it, with forward slashes.

    Parameters
    ----------
    root
        A POSIX path or an ``hdfs://`` address.

    Raises
    ------
    SettingsError
        The root was written by a newer version of Nightjar.
    """

    def __init__(self, root: str) -> None:
        address = root if "://" in root else str(Path(root).resolve())
        self.filesystem, self.root = fs.FileSystem.from_uri(address)
        self._prefix = address.rstrip("/")
        check_format(self)

    @property
    def is_local(self) -> bool:
        """Whether the root is a POSIX path."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def uri(self, path: str) -> str:
        """Address of ``path`` for Spark."""
        return f"{self._prefix}/{path}"

    def path(self, path: str) -> str:
        """Address of ``path`` for pyarrow, together with `filesystem`."""
        return f"{self.root}/{path}"

    def uri_of(self, path: str) -> str:
        """Address for Spark of what `path` has returned."""
        return self.uri(path.removeprefix(f"{self.root}/"))

    def exists(self, path: str) -> bool:
        """Whether a file or folder is there."""
        info = self.filesystem.get_file_info(self.path(path))
        return bool(info.type != fs.FileType.NotFound)

    def names(self, folder: str) -> list[str]:
        """Sorted names directly below ``folder``; none when it does not exist."""
        selector = fs.FileSelector(self.path(folder), allow_not_found=True)
        return sorted(info.base_name for info in self.filesystem.get_file_info(selector))

    def times(self, folder: str) -> dict[str, float]:
        """Name of each file directly below ``folder`` → when it was written, seconds since 1970."""
        selector = fs.FileSelector(self.path(folder), allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return {i.base_name: i.mtime.timestamp() for i in found if i.type == fs.FileType.File}

    def make_folder(self, path: str) -> None:
        """Create a folder and its parents."""
        self.filesystem.create_dir(self.path(path), recursive=True)

    def move(self, source: str, target: str) -> None:
        """Rename ``source`` to ``target``, which must not exist.

        Raises
        ------
        PublishError
            The target exists.
        """
        if self.exists(target):
            raise PublishError(
                f"{self.uri(target)} exists already, so {self.uri(source)} cannot become it; "
                "another writer has been here: stop it, then start again"
            )
        self.make_folder(target.rpartition("/")[0])
        self.filesystem.move(self.path(source), self.path(target))

    def exchange(self, one: str, other: str) -> bool:
        """Swap two folders at one stroke: a reader finds the one or the other, never neither.

        Returns
        -------
        bool
            False where the file system has no such operation; then nothing was done.
        """
        if not self.is_local:
            return False
        return _exchange(self.path(one), self.path(other))

    def size(self, folder: str) -> int:
        """Bytes of all files below a folder; none when it does not exist."""
        selector = fs.FileSelector(self.path(folder), allow_not_found=True, recursive=True)
        return sum(info.size or 0 for info in self.filesystem.get_file_info(selector))

    def delete(self, path: str) -> None:
        """Delete a file or a whole folder; nothing happens when it does not exist."""
        kind = self.filesystem.get_file_info(self.path(path)).type
        if kind == fs.FileType.Directory:
            self.filesystem.delete_dir(self.path(path))
        elif kind == fs.FileType.File:
            self.filesystem.delete_file(self.path(path))

    def write_table(self, table: pa.Table, path: str) -> None:
        """Write a small Parquet file so that it is there whole or not at all."""
        temporary = self._temporary(path)
        pq.write_table(table, temporary, filesystem=self.filesystem, compression="zstd")
        self.filesystem.move(temporary, self.path(path))

    def read_table(
        self,
        path: str,
        columns: Sequence[str] | None = None,
        filters: pc.Expression | None = None,
    ) -> pa.Table:
        """Rows of one Parquet file, as it is: folders' names add no columns."""
        return pq.read_table(
            self.path(path),
            columns=columns,
            filters=filters,
            filesystem=self.filesystem,
            partitioning=None,
        )

    def sync(self, path: str) -> None:
        """Wait until a file that was written is on the disk; HDFS has it on several by then."""
        if self.is_local:
            folder = path.rpartition("/")[0]
            for name in (path, folder):
                descriptor = os.open(self.path(name), os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def write_text(self, text: str, path: str) -> None:
        """Write a small text file so that it is there whole or not at all."""
        temporary = self._temporary(path)
        with self.filesystem.open_output_stream(temporary) as stream:
            stream.write(text.encode())
        self.filesystem.move(temporary, self.path(path))

    def read_text(self, path: str) -> str:
        """Whole content of a small text file."""
        with self.filesystem.open_input_stream(self.path(path)) as stream:
            content: bytes = stream.read()
        return content.decode()

    def _temporary(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        self.make_folder(folder)
        return self.path(f"{folder}/.{name}.{uuid.uuid4().hex[:8]}")


# linux/fcntl.h, linux/fs.h
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# Kernels and file systems (some network ones) that cannot.
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def _exchange(one: str, other: str) -> bool:
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "renameat2"):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), one, None, other)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, of Python or of the JVM, says that no more can be written."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if isinstance(error, OSError) and error.errno in codes:
        return True
    texts = ("No space left on device", "Disk quota exceeded", "File too large")
    message: Any = str(error)
    return any(text in message for text in texts)
