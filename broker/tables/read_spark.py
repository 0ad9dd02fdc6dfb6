"""Rows of a table as Spark frames: each row once, some online batches, or a closed night."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeVar

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StringType, StructField, StructType

from broker.errors import UsageError
from broker.nights import NightRange
from broker.spark.types import to_spark_schema
from broker.tables.files import files_of, retry_while_replaced
from broker.tables.layout import (
    ARCHIVE,
    AREAS,
    BATCH_IN_PATH,
    ONLINE,
    batch_folder,
    night_folder,
)
from broker.tables.quarantine_schema import QUARANTINE_SCHEMA
from broker.tables.storage import Storage

T = TypeVar("T")
# How Spark says that a file or folder is gone, while it lists and while it reads.
_GONE = ("PATH_NOT_FOUND", "FILE_NOT_EXIST", "FileNotFoundException")


def rows_of_table(
    spark: SparkSession, storage: Storage, table: str, nights: NightRange, schema: StructType
) -> DataFrame:
    """Rows of the archive, and of the online batches that it has not taken yet.

    Each row was computed from its own packet, so nothing in it is later than its alert.

    Parameters
    ----------
    schema
        The table's; a column that older rows lack is null.

    Raises
    ------
    UsageError
        There are no rows of these nights.
    """
    files = retry_while_replaced(lambda: files_of(storage, table, nights.first, nights.last))
    archived = [path for paths in files.archived.values() for path in paths]
    online = [path for paths in files.online.values() for path in paths]
    with_batch = StructType([*schema.fields, StructField("batch", StringType())])
    found = [
        _reader(spark, storage, area).schema(with_batch).parquet(*map(storage.uri_of, paths))
        for area, paths in ((ARCHIVE[table], archived), (ONLINE[table], online))
        if paths
    ]
    if not found:
        asked = "" if nights == NightRange() else f" of nights {nights.first}..{nights.last}"
        raise UsageError(f"{storage.uri('')} has no {table} rows{asked}; name other nights or root")
    return reduce(DataFrame.unionByName, found).select(schema.names)


def batch_rows(
    spark: SparkSession,
    storage: Storage,
    table: str,
    nights: Sequence[int],
    keys: Sequence[str],
    schema: StructType | None = None,
) -> DataFrame:
    """Rows of online batches of some nights, with ``night`` and ``batch``; all must be there.

    Parameters
    ----------
    schema
        Columns to read; none: those that the files have, which may differ where the broker was
        upgraded between two batches.
    """
    area = AREAS[table]
    folders = [storage.uri(batch_folder(area, night, key)) for night in nights for key in keys]
    reader = _reader(spark, storage, area)
    reader = reader.schema(schema) if schema else reader.option("mergeSchema", "true")
    return _with_batch_key(reader.parquet(*folders))


def archived_rows(
    spark: SparkSession, storage: Storage, table: str, night: int
) -> DataFrame | None:
    """Rows of a closed night with ``batch``; None when the table has no such night."""
    area = ARCHIVE[table]
    folder = night_folder(area, night)
    if not storage.exists(folder):
        return None
    reader = _reader(spark, storage, area).option("mergeSchema", "true")
    return reader.parquet(storage.uri(folder))


def quarantined_rows(spark: SparkSession, storage: Storage) -> DataFrame | None:
    """All refused packets with ``night``; None when there never was one."""
    area = AREAS["quarantine"]
    if not storage.exists(area):
        return None
    schema = to_spark_schema(QUARANTINE_SCHEMA, described=False)
    return _reader(spark, storage, area).schema(schema).parquet(storage.uri(area))


def retry_action(act: Callable[[], T]) -> T:
    """Result of listing, reading and an action, again when a night was replaced in between."""

    def act_once() -> T:
        try:
            return act()
        except (PySparkException, Py4JJavaError) as error:
            if any(word in str(error) for word in _GONE):
                raise FileNotFoundError(str(error)) from error
            raise

    return retry_while_replaced(act_once)


def _with_batch_key(rows: DataFrame) -> DataFrame:
    """Rows read from online files, their ``batch`` as the folder's name has it.

    Left to itself, Spark takes a key such as 1234567e-000003 for a number.
    """
    key = F.regexp_extract("_metadata.file_path", BATCH_IN_PATH, 1)
    return rows.withColumn("batch", key)


def _reader(spark: SparkSession, storage: Storage, area: str) -> DataFrameReader:
    return spark.read.option("basePath", storage.uri(area))
