"""Repeats: rows of a raw batch whose alert science already has, or has twice in the batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.spark.columns import with_batch_key
from broker.tables.layout import AREAS
from broker.tables.science_ids import Ids, ScienceIds
from broker.tables.storage import Storage

_POSITION = ("topic", "partition", "offset")


@dataclass(frozen=True)
class NightDuplicates:
    """What one night of a raw batch holds.

    Parameters
    ----------
    ids
        Ids that are new to science, each once.
    repeats
        Rows to leave out: ``alert_id, topic, partition, offset``, and ``kept_in``, the batch of
        the row that science keeps.
    """

    night: int
    rows: int
    ids: Ids
    repeats: pa.Table


def find_duplicates(storage: Storage, known: ScienceIds, night: int, key: str) -> NightDuplicates:
    """Which rows of one night of a raw batch are the first of their alert.

    The first by topic, partition and offset counts, if no committed batch has the alert.
    """
    folder = f"{AREAS['raw']}/night={night}/batch={key}"
    dataset = ds.dataset(
        storage.path(folder), filesystem=storage.filesystem, format="parquet", partitioning=None
    )
    position = {name: pc.field("ingest", name) for name in _POSITION}
    rows = dataset.to_table(columns={"alert_id": pc.field("alert_id"), **position})
    rows = rows.sort_by([(name, "ascending") for name in _POSITION])
    ids = np.asarray(rows["alert_id"].to_numpy(), dtype=np.int64)
    first = np.zeros(ids.size, dtype=bool)
    first[np.unique(ids, return_index=True)[1]] = True
    fresh = first & ~known.contains(night, ids)
    repeats = rows.filter(pa.array(~fresh))
    kept_in = [batch or key for batch in known.batches_of(night, ids[~fresh])]
    repeats = repeats.append_column("kept_in", pa.array(kept_in, pa.string()))
    return NightDuplicates(night, rows.num_rows, ids[fresh], repeats)


def without_duplicates(alerts: DataFrame, found: Sequence[NightDuplicates]) -> DataFrame:
    """Raw rows but for the repeats."""
    repeats = pa.concat_tables([night.repeats for night in found])
    if not repeats.num_rows:
        return alerts
    named = repeats.select(_POSITION).rename_columns([f"_{name}" for name in _POSITION])
    dropped = alerts.sparkSession.createDataFrame(named)
    same = [F.col(f"ingest.{name}") == F.col(f"_{name}") for name in _POSITION]
    return alerts.join(F.broadcast(dropped), same, "left_anti")


def count_duplicates_that_differ(
    spark: SparkSession, storage: Storage, found: NightDuplicates, key: str
) -> int:
    """How many repeats are not, field by field and byte by byte, the row that science kept.

    Only this batch and those that hold kept rows are read: a night of raw is far too much.
    """
    if not found.repeats.num_rows:
        return 0
    repeated = F.broadcast(spark.createDataFrame(found.repeats))
    kept_in = F.broadcast(spark.createDataFrame(found.repeats.select(["alert_id", "kept_in"])))
    batches = {key, *found.repeats["kept_in"].to_pylist()}
    rows = _raw_rows(spark, storage, found.night, batches)
    record = [name for name in rows.columns if name not in ("ingest", "night", "batch")]
    hashed = rows.join(kept_in.distinct(), "alert_id").select(
        "alert_id",
        *(F.col(f"ingest.{name}").alias(name) for name in _POSITION),
        "batch",
        "kept_in",
        F.xxhash64(*record).alias("content"),
    )
    kept = (
        hashed.where(F.col("batch") == F.col("kept_in"))
        .groupBy("alert_id")
        .agg(F.min_by("content", F.struct(*_POSITION)).alias("kept"))
    )
    again = hashed.where(F.col("batch") == key).join(
        repeated.drop("kept_in"), ["alert_id", *_POSITION], "left_semi"
    )
    differ = again.join(kept, "alert_id").where(F.col("content") != F.col("kept"))
    return differ.count()


def _raw_rows(
    spark: SparkSession, storage: Storage, night: int, batches: Iterable[str]
) -> DataFrame:
    """Raw rows of some batches of a night, online or in the archive."""
    area = AREAS["raw"]
    folders = {batch: f"{area}/night={night}/batch={batch}" for batch in batches}
    online = {batch: folder for batch, folder in folders.items() if storage.exists(folder)}
    reader = spark.read.option("basePath", storage.uri(area))
    rows = with_batch_key(reader.parquet(*map(storage.uri, online.values())))
    elsewhere = folders.keys() - online.keys()
    if not elsewhere:
        return rows
    archived = f"archive/raw/night={night}"
    old = spark.read.option("basePath", storage.uri("archive/raw")).parquet(storage.uri(archived))
    return rows.unionByName(old.where(F.col("batch").isin(elsewhere)), allowMissingColumns=True)
