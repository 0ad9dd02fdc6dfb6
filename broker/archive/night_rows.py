"""Arrangement of a night's rows in the archive: files of equal size, sorted by sky."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.tables.files import batch_column_metadata, files_in
from broker.tables.read_arrow import Columns, read_files
from broker.tables.storage import Storage

# Files of 128 to 256 MB: few enough to list, large enough to read at full speed.
_FILE_BYTES = 192 * 1024 * 1024
# Ahead of every struct: DuckDB takes a later column's Bloom filter for another's.
_FIRST = ("alert_id", "object_id", "healpix29")
_CELL: Columns = {"healpix29": (pc.field("healpix29"), pa.int64())}


def cuts(storage: Storage, folders: Sequence[str]) -> list[int]:
    """Cells at which rows of some folders are cut into files of the right size, in equal shares.

    Known beforehand, they spare Spark a pass over all rows to find them.
    """
    paths = [path for folder in folders for path in files_in(storage, folder)]
    n_files = max(1, round(sum(map(storage.size, folders)) / _FILE_BYTES))
    if n_files == 1:
        return []
    cells = read_files(storage, paths, _CELL)["healpix29"].to_numpy()
    shares = np.arange(1, n_files) / n_files
    return [int(cell) for cell in np.quantile(cells, shares, method="lower")]


def arrange(
    rows: DataFrame, batches: Sequence[str], apart: Sequence[str], at_cells: Sequence[int]
) -> DataFrame:
    """Rows sorted by sky, a partition for each file, without ``night``: the folder has it.

    Parameters
    ----------
    batches
        All batches that the rows are of; every file will name them.
    apart
        Columns that come last: images between the columns that people scan would spread these
        over the whole file.
    at_cells
        Where one file ends and the next begins; see `cuts`.
    """
    inner = [name for name in rows.columns if name not in (*_FIRST, "night", "batch", *apart)]
    last = [name for name in apart if name in rows.columns]
    batch = F.col("batch").alias("batch", metadata=batch_column_metadata(batches))
    arranged = rows.select(*_FIRST, *inner, batch, *last)
    beyond = [(F.col("healpix29") > cell).cast("int") for cell in at_cells]
    split = arranged.repartitionById(len(at_cells) + 1, sum(beyond, F.lit(0)))
    return split.sortWithinPartitions("healpix29", "alert_id")
