"""A few columns of a table, each row once, wherever it lies by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from broker.archive.finding import NightRange
from broker.areas import ARCHIVE, files_in, files_of, night_folder, read_whole
from broker.storage import Storage

_POSITION = {"topic": pa.string(), "partition": pa.int32(), "offset": pa.int64()}


def place_columns() -> dict[str, Any]:
    """Kafka position of each row, as columns for `rows_of_table`."""
    return {name: pc.field("ingest", name).cast(kind) for name, kind in _POSITION.items()}


def rows_of_table(
    storage: Storage, table: str, nights: NightRange, columns: Mapping[str, Any]
) -> pa.Table:
    """Rows of the archive and of the online batches that it lacks.

    Parameters
    ----------
    columns
        Name → expression over the table's columns.

    Returns
    -------
    pa.Table
        ``night, batch`` and the columns.
    """
    return read_whole(lambda: _read(storage, table, nights, columns))


def archived_columns(
    storage: Storage, table: str, night: int, columns: Mapping[str, Any]
) -> pa.Table:
    """``batch`` and the given columns of a closed night's rows."""
    paths = files_in(storage, night_folder(ARCHIVE[table], night))
    return _rows(storage, paths, {"batch": pc.field("batch"), **columns})


def _read(storage: Storage, table: str, nights: NightRange, columns: Mapping[str, Any]) -> pa.Table:
    files = files_of(storage, table, nights.first, nights.last)
    none = {"night": pa.array([], pa.int32()), "batch": pa.array([], pa.string())}
    parts = [pa.table({**none, **{name: pa.nulls(0) for name in columns}})]
    for night, paths in files.archived.items():
        rows = _rows(storage, paths, {"batch": pc.field("batch"), **columns})
        parts.append(rows.add_column(0, "night", pa.repeat(night, rows.num_rows).cast("int32")))
    for (night, key), paths in files.online.items():
        rows = _rows(storage, paths, columns)
        rows = rows.add_column(0, "batch", pa.repeat(key, rows.num_rows))
        parts.append(rows.add_column(0, "night", pa.repeat(night, rows.num_rows).cast("int32")))
    return pa.concat_tables(parts, promote_options="default")


def _rows(storage: Storage, paths: tuple[str, ...], columns: Mapping[str, Any]) -> pa.Table:
    dataset = ds.dataset(
        list(paths), filesystem=storage.filesystem, format="parquet", partitioning=None
    )
    return dataset.to_table(columns=dict(columns))
