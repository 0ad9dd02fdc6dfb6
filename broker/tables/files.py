"""Files of a table: those that hold each row once, and the batches that an archived file names.

A batch is online first, and online *and* in the archive for some days after its night was closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow.parquet as pq
from pyarrow import fs

from broker.errors import LedgerError
from broker.tables.layout import ARCHIVE, ONLINE, night_folder, night_of
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
        for night in {place[0] for place in online}
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


def retry_while_replaced(read: Callable[[], T]) -> T:
    """Result of listing and reading files, again when some were replaced in between."""
    for _ in range(_TRIES - 1):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()


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
    """Night, and batch if there is such a folder, → Parquet files."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for name in storage.names(area):
        if not first <= night_of(name) <= last:
            continue
        folder = storage.path(f"{area}/{name}")
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
        for info in storage.filesystem.get_file_info(selector):
            if info.type == fs.FileType.File and info.extension == "parquet":
                batches = info.path.removeprefix(f"{folder}/").split("/")[:-1]
                keys = [batch.removeprefix("batch=") for batch in batches]
                found.setdefault((night_of(name), *keys), []).append(info.path)
    return {place: tuple(sorted(files)) for place, files in found.items()}
