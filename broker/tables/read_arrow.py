"""Rows of a table as Arrow: a few columns, each row once, from the archive and online batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from broker.nights import NightRange
from broker.tables.declaration import POSITION_COLUMNS
from broker.tables.files import Files, files_in, files_of, retry_while_replaced
from broker.tables.layout import ARCHIVE, AREAS, batch_folder, night_folder
from broker.tables.storage import Storage

Columns = Mapping[str, tuple[pc.Expression, pa.DataType]]
"""Name → expression over a table's columns, and its type."""
ALERT_ID: Columns = {"alert_id": (pc.field("alert_id"), pa.int64())}
POSITION: Columns = {
    field.name: (pc.field("ingest", field.name), field.type) for field in POSITION_COLUMNS
}
"""A row's position in Kafka."""
_NIGHT: Columns = {"night": (pc.field("night"), pa.int32())}
BATCH: Columns = {"batch": (pc.field("batch"), pa.string())}


def rows_of_table(storage: Storage, table: str, nights: NightRange, columns: Columns) -> pa.Table:
    """Rows of the archive and of the online batches that it lacks, each once.

    Returns
    -------
    pa.Table
        ``night, batch`` and the columns; by night, archived ones first.
    """
    schema = _schema({**_NIGHT, **BATCH, **columns})

    def read() -> pa.Table:
        return pa.Table.from_batches(scan(storage, table, nights, columns), schema)

    return retry_while_replaced(read)


def scan(
    storage: Storage, table: str, nights: NightRange, columns: Columns
) -> Iterator[pa.RecordBatch]:
    """Rows as `rows_of_table` has them, a few at a time; use it up in `retry_while_replaced`.

    Raises
    ------
    FileNotFoundError
        A night was replaced meanwhile: begin again.
    """
    projection = _projection({**_NIGHT, **BATCH, **columns})
    for part in parts_of(storage, files_of(storage, table, nights.first, nights.last)):
        yield from part.to_batches(columns=projection)


def first_row(
    storage: Storage,
    table: str,
    nights: NightRange,
    where: pc.Expression,
    choose: Callable[[list[str]], list[str]],
) -> pa.Table | None:
    """First row that matches, with the columns that `choose` picks by name; None without one."""

    def read() -> pa.Table | None:
        for part in parts_of(storage, files_of(storage, table, nights.first, nights.last)):
            rows = part.head(1, columns=choose(part.schema.names), filter=where)
            if rows.num_rows:
                return rows
        return None

    return retry_while_replaced(read)


def parts_of(storage: Storage, files: Files) -> Iterator[ds.Dataset]:
    """Datasets that hold each row once, with ``night`` and ``batch``: closed nights, online rows.

    Raises
    ------
    FileNotFoundError
        A night was replaced meanwhile: list the files again.
    """
    for paths in files.archived.values():
        yield _dataset(storage, paths, [("night", pa.int32())])
    online = [path for paths in files.online.values() for path in paths]
    if online:
        yield _dataset(storage, online, [("night", pa.int32()), ("batch", pa.string())])


def archived_columns(storage: Storage, table: str, night: int, columns: Columns) -> pa.Table:
    """``batch`` and the given columns of a closed night's rows; call it in the archive's lock."""
    paths = files_in(storage, night_folder(ARCHIVE[table], night))
    return read_files(storage, paths, {**BATCH, **columns})


def batch_columns(
    storage: Storage, table: str, nights: Sequence[int], key: str, columns: Columns
) -> pa.Table:
    """Columns of an online batch's rows of some nights.

    Raises
    ------
    FileNotFoundError
        The batch has no such night online, or no longer.
    """
    paths: list[str] = []
    for night in nights:
        folder = batch_folder(AREAS[table], night, key)
        found = files_in(storage, folder)
        if not found:
            raise FileNotFoundError(f"{storage.uri(folder)} has no files")
        paths += found
    return read_files(storage, paths, columns)


def read_files(storage: Storage, paths: Sequence[str], columns: Columns) -> pa.Table:
    """Columns of some files, in the order in which these are given; no rows without files."""
    if not paths:
        return _schema(columns).empty_table()
    return _dataset(storage, paths).to_table(columns=_projection(columns))


def _dataset(
    storage: Storage, paths: Sequence[str], in_path: Sequence[tuple[str, pa.DataType]] = ()
) -> ds.Dataset:
    """Dataset of files; ``in_path`` are columns that the folders' names hold."""
    partitioning = ds.partitioning(pa.schema(in_path), flavor="hive") if in_path else None
    return ds.dataset(
        list(paths), filesystem=storage.filesystem, format="parquet", partitioning=partitioning
    )


def _projection(columns: Columns) -> dict[str, pc.Expression]:
    return {name: found.cast(dtype) for name, (found, dtype) in columns.items()}


def _schema(columns: Columns) -> pa.Schema:
    return pa.schema([(name, dtype) for name, (_, dtype) in columns.items()])
