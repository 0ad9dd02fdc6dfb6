"""Rows of a night from wherever they lie, arranged as the archive keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.areas import ARCHIVE, ONLINE, batch_column_metadata, night_folder
from broker.storage import Storage

# Files of 128 to 256 MB: few enough to list, large enough to read at full speed.
_FILE_BYTES = 192 * 1024 * 1024
# Ahead of every struct: DuckDB takes a later column's Bloom filter for another's.
_FIRST = ("alert_id", "object_id", "healpix29")


def online_rows(
    spark: SparkSession, storage: Storage, table: str, night: int, keys: Sequence[str]
) -> DataFrame | None:
    """Rows of some batches of an online table; None when they have none of that night."""
    area = ONLINE[table]
    folders = [f"{night_folder(area, night)}/batch={key}" for key in keys]
    found = [storage.uri(folder) for folder in folders if storage.exists(folder)]
    return _read(spark, storage, area, found) if found else None


def archived_rows(
    spark: SparkSession, storage: Storage, table: str, night: int
) -> DataFrame | None:
    """Rows of a closed night with their ``batch``; None when the table has no such night."""
    area = ARCHIVE[table]
    folder = night_folder(area, night)
    return _read(spark, storage, area, [storage.uri(folder)]) if storage.exists(folder) else None


def files_for(n_bytes: int) -> int:
    """Files that rows of that size are written to."""
    return max(1, round(n_bytes / _FILE_BYTES))


def arrange(
    rows: DataFrame, batches: Sequence[str], apart: Sequence[str], n_files: int
) -> DataFrame:
    """Rows sorted by sky in so many partitions, without the night, which the folder tells.

    Parameters
    ----------
    batches
        All batches that the rows are of; every file will name them.
    apart
        Columns that come last: images between the columns that people scan would spread these
        over the whole file.
    """
    inner = [name for name in rows.columns if name not in (*_FIRST, "night", "batch", *apart)]
    last = [name for name in apart if name in rows.columns]
    batch = F.col("batch").cast("string")
    arranged = rows.select(
        *_FIRST, *inner, batch.alias("batch", metadata=batch_column_metadata(batches)), *last
    )
    split = (
        arranged.coalesce(1) if n_files == 1 else arranged.repartitionByRange(n_files, "healpix29")
    )
    return split.sortWithinPartitions("healpix29", "alert_id")


def _read(spark: SparkSession, storage: Storage, area: str, folders: list[str]) -> DataFrame:
    # Batches of a night may differ in columns, where the broker was upgraded between them.
    reader = spark.read.option("mergeSchema", "true").option("basePath", storage.uri(area))
    return reader.parquet(*folders)
