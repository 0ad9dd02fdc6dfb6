"""Files of a table: those that hold each row once, and the batches that an archived file names.

A batch is online first, and online *and* in the archive for some days after its night was closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow.parquet as pq
from pyarrow import fs

from broker.errors import LedgerError
from broker.tables.layout import (
    ARCHIVE,
    AREAS,
    ONLINE,
    batch_folder,
    batch_of,
    night_folder,
    nights_in,
)
from broker.tables.storage import Storage

T = TypeVar("T")
# A night is replaced in an instant, and not often.
_TRIES = 10
# Where Spark keeps its columns' metadata in a Parquet footer.
_ROW_METADATA = b"org.apache.spark.sql.parquet.row.metadata"
_BATCHES = "batches"


def batch_column_metadata(batches: Sequence[str]) -> dict[str, Any]:
    """Metadata of an archived file's column ``batch``: the batches that were taken with it.

    It travels in the footer, so that whoever sees a night's files knows which online batches are
    in them, even in the moment between the exchange of two folders and the ledger's row.
    """
    return {
        "unit": "",
        "meaning": "batch that the row came in",
        _BATCHES: sorted(batches),
    }


def batches_in(footer: Mapping[bytes, bytes] | None, name: str) -> frozenset[str]:
    """Batches that an archived file was made of, from its footer's key-value metadata.

    Raises
    ------
    LedgerError
        The file says nothing of that.
    """
    fields = json.loads((footer or {}).get(_ROW_METADATA, b'{"fields": []}'))["fields"]
    for field in fields:
        if field["name"] == "batch" and _BATCHES in field["metadata"]:
            return frozenset(field["metadata"][_BATCHES])
    raise LedgerError(
        f"{name} does not say which batches it was made of, so archive_night did not write it; "
        "move it out of the archive"
    )


def version_of(file: str) -> str:
    """Version of a night that an archived file, ``<version>-<number>.parquet``, belongs to."""
    return file.rpartition("-")[0]


@dataclass(frozen=True)
class Files:
    """Files that hold each row of a table once, as paths of the storage's file system.

    Parameters
    ----------
    archived
        Night → its files in the archive.
    online
        Night and batch → the batch's files, of batches that are not in the archive.
    """

    archived: Mapping[int, tuple[str, ...]]
    online: Mapping[tuple[int, str], tuple[str, ...]]

    @property
    def nights(self) -> list[int]:
        """All nights that there are rows of."""
        return sorted({*self.archived, *(night for night, _ in self.online)})


def files_of(storage: Storage, table: str, first: int = 0, last: int = 99_999_999) -> Files:
    """Files of a table's nights ``first`` to ``last``.

    Raises
    ------
    FileNotFoundError
        A night was replaced in this moment: ask again.
    """
    # In this order: a batch goes to the archive before it leaves the online table.
    online = _by_folder(storage, ONLINE[table], first, last)
    archived = _by_folder(storage, ARCHIVE[table], first, last)
    taken = {
        night: _batches_in_files(storage, archived[night,])
        for night in {night for night, _ in online}
        if (night,) in archived
    }
    return Files(
        archived={night: files for (night,), files in archived.items()},
        online={
            (night, key): files
            for (night, key), files in online.items()
            if key not in taken.get(night, ())
        },
    )


def retry_while_replaced(
    read: Callable[[], T], gone: tuple[type[Exception], ...] = (FileNotFoundError,)
) -> T:
    """Result of listing and reading files, again when some were replaced in between.

    Parameters
    ----------
    gone
        What the engine raises for a file that is gone.
    """
    for _ in range(_TRIES - 1):
        try:
            return read()
        except gone:
            continue
    return read()


def online_batches(storage: Storage, table: str, night: int, keys: Iterable[str]) -> list[str]:
    """Keys of those batches that have rows of a night online."""
    area = AREAS[table]
    return [key for key in keys if storage.exists(batch_folder(area, night, key))]


def rows_by_batch(storage: Storage, table: str) -> dict[tuple[int, str], int]:
    """Night and batch → rows in the files of a table that batches are published to."""

    def count() -> dict[tuple[int, str], int]:
        return {
            (night, key): sum(rows_in(storage, path) for path in paths)
            for (night, key), paths in _by_folder(storage, AREAS[table], 0, 99_999_999).items()
        }

    return retry_while_replaced(count)


def rows_in(storage: Storage, path: str) -> int:
    """Rows of a file, given as `files_in` does, from its footer."""
    with storage.filesystem.open_input_file(path) as file:
        return int(pq.read_metadata(file).num_rows)


def archived_batches(storage: Storage, table: str, night: int) -> frozenset[str]:
    """Batches that the archive's files of a night hold now; none while it is not closed.

    Raises
    ------
    FileNotFoundError
        The night was replaced in this moment: ask again.
    """
    return _batches_in_files(storage, files_in(storage, night_folder(ARCHIVE[table], night)))


def files_in(storage: Storage, folder: str) -> tuple[str, ...]:
    """Parquet files of a folder, as paths of the storage's file system."""
    names = storage.names(folder)
    return tuple(storage.path(f"{folder}/{name}") for name in names if name.endswith(".parquet"))


def files_below(storage: Storage, folder: str) -> tuple[str, ...]:
    """Parquet files of a folder and of those in it, sorted, as paths of the file system."""
    selector = fs.FileSelector(storage.path(folder), allow_not_found=True, recursive=True)
    found = storage.filesystem.get_file_info(selector)
    is_file = fs.FileType.File
    return tuple(sorted(i.path for i in found if i.type == is_file and i.extension == "parquet"))


def _batches_in_files(storage: Storage, files: Sequence[str]) -> frozenset[str]:
    one_of_each = {version_of(file): file for file in files}
    found: frozenset[str] = frozenset()
    for path in one_of_each.values():
        with storage.filesystem.open_input_file(path) as file:
            found |= batches_in(pq.read_metadata(file).metadata, path)
    return found


def _by_folder(
    storage: Storage, area: str, first: int, last: int
) -> dict[tuple[Any, ...], tuple[str, ...]]:
    """Night, and batch if there is such a folder, → Parquet files; all in order."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for night in nights_in(storage.names(area)):
        if first <= night <= last:
            folder = night_folder(area, night)
            for path in files_below(storage, folder):
                batches = path.removeprefix(f"{storage.path(folder)}/").split("/")[:-1]
                found.setdefault((night, *map(batch_of, batches)), []).append(path)
    return {key: tuple(paths) for key, paths in found.items()}
