"""A few columns of a table, each row once, wherever it lies by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from broker.nights import NightRange
from broker.tables.files import files_in, files_of, retry_while_replaced
from broker.tables.layout import ARCHIVE, night_folder
from broker.tables.storage import Storage

Columns = Mapping[str, tuple[Any, pa.DataType]]
"""Name → expression over a table's columns, and its type."""
ALERT_ID: Columns = {"alert_id": (pc.field("alert_id"), pa.int64())}
# Each row's position in Kafka.
POSITION: Columns = {
    "topic": (pc.field("ingest", "topic"), pa.string()),
    "partition": (pc.field("ingest", "partition"), pa.int32()),
    "offset": (pc.field("ingest", "offset"), pa.int64()),
}
_BATCH: Columns = {"batch": (pc.field("batch"), pa.string())}


def rows_of_table(storage: Storage, table: str, nights: NightRange, columns: Columns) -> pa.Table:
    """Rows of the archive and of the online batches that it lacks.

    Returns
    -------
    pa.Table
        ``night, batch`` and the columns.
    """
    return retry_while_replaced(lambda: _read(storage, table, nights, columns))


def archived_columns(storage: Storage, table: str, night: int, columns: Columns) -> pa.Table:
    """``batch`` and the given columns of a closed night's rows."""
    paths = files_in(storage, night_folder(ARCHIVE[table], night))
    return _rows(storage, paths, {**_BATCH, **columns})


def _read(storage: Storage, table: str, nights: NightRange, columns: Mapping[str, Any]) -> pa.Table:
    files = files_of(storage, table, nights.first, nights.last)
    declared = {"night": pa.int32(), **{n: kind for n, (_, kind) in {**_BATCH, **columns}.items()}}
    parts = [pa.schema(list(declared.items())).empty_table()]
    for night, paths in files.archived.items():
        rows = _rows(storage, paths, {**_BATCH, **columns})
        parts.append(rows.add_column(0, "night", pa.repeat(night, rows.num_rows).cast("int32")))
    for (night, key), paths in files.online.items():
        rows = _rows(storage, paths, columns)
        rows = rows.add_column(0, "batch", pa.repeat(key, rows.num_rows))
        parts.append(rows.add_column(0, "night", pa.repeat(night, rows.num_rows).cast("int32")))
    return pa.concat_tables(parts)


def _rows(storage: Storage, paths: tuple[str, ...], columns: Columns) -> pa.Table:
    dataset = ds.dataset(
        list(paths), filesystem=storage.filesystem, format="parquet", partitioning=None
    )
    return dataset.to_table(columns={n: found.cast(kind) for n, (found, kind) in columns.items()})
