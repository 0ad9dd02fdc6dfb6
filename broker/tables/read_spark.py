"""Science rows of past nights, each once, wherever they lie by now."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from broker.errors import UsageError
from broker.tables.storage import Storage

_ONLINE = "online/science"
_ARCHIVE = "archive/science"


def science_rows(
    spark: SparkSession,
    storage: Storage,
    schema: StructType,
    nights: tuple[int, int] | None = None,
) -> DataFrame:
    """Rows of the archive, and of the online batches that it has not taken yet.

    Each row was computed from its own packet, so nothing in it is later than its alert.

    Parameters
    ----------
    schema
        The science table's; a column that older rows lack is null.
    nights
        First and last night; none: all there are.

    Raises
    ------
    UsageError
        There are no rows of these nights.
    """
    archived = [_folder(_ARCHIVE, night) for night in _nights(storage, _ARCHIVE, nights)]
    online = [
        folder
        for night in _nights(storage, _ONLINE, nights)
        for folder in _batches_not_archived(storage, night)
    ]
    found = [
        _read(spark, storage, area, folders, schema)
        for area, folders in ((_ARCHIVE, archived), (_ONLINE, online))
        if folders
    ]
    if not found:
        asked = "" if nights is None else f" of nights {nights[0]}..{nights[1]}"
        raise UsageError(f"{storage.uri('')} has no science rows{asked}; name other nights or root")
    return reduce(DataFrame.unionByName, found)


def _read(
    spark: SparkSession, storage: Storage, area: str, folders: list[str], schema: StructType
) -> DataFrame:
    with_batch = StructType([*schema.fields, StructField("batch", StringType())])
    reader = spark.read.schema(with_batch).option("basePath", storage.uri(area))
    return reader.parquet(*(storage.uri(folder) for folder in folders)).select(schema.names)


def _nights(storage: Storage, area: str, nights: tuple[int, int] | None) -> Iterator[int]:
    for name in storage.names(area):
        night = int(name.removeprefix("night="))
        if nights is None or nights[0] <= night <= nights[1]:
            yield night


def _batches_not_archived(storage: Storage, night: int) -> Iterator[str]:
    taken: set[str] = set()
    archive = _folder(_ARCHIVE, night)
    if storage.exists(archive):
        rows = ds.dataset(storage.path(archive), filesystem=storage.filesystem, format="parquet")
        taken = set(pc.unique(rows.to_table(columns=["batch"])["batch"]).to_pylist())
    online = _folder(_ONLINE, night)
    for name in storage.names(online):
        if name.removeprefix("batch=") not in taken:
            yield f"{online}/{name}"


def _folder(area: str, night: int) -> str:
    return f"{area}/night={night}"
