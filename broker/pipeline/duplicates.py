"""Duplicates: rows of a raw batch whose alert science already has, or has twice in the batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.kafka.positions import KafkaPosition
from broker.tables.files import online_batches
from broker.tables.read_arrow import ALERT_ID, POSITION, batch_columns
from broker.tables.read_spark import archived_rows, batch_rows, retry_action
from broker.tables.science_ids import Ids, ScienceIds
from broker.tables.storage import Storage


@dataclass(frozen=True)
class NightDuplicates:
    """Rows of one night of a raw batch: those that are new to science, and duplicates.

    Parameters
    ----------
    ids
        Ids that are new to science, each once.
    duplicates
        Rows to leave out: ``alert_id, topic, partition, offset``, and ``kept_in``, the batch of
        the row that science keeps.
    """

    night: int
    rows: int
    ids: Ids
    duplicates: pa.Table


def find_duplicates(storage: Storage, known: ScienceIds, night: int, key: str) -> NightDuplicates:
    """Rows of one night of a raw batch that are the first of their alert, and the others.

    The first by topic, partition and offset counts, if no committed batch has the alert.
    """
    rows = batch_columns(storage, "raw", [night], key, {**ALERT_ID, **POSITION})
    rows = rows.sort_by([(name, "ascending") for name in KafkaPosition._fields])
    ids = np.asarray(rows["alert_id"].to_numpy(), dtype=np.int64)
    first = np.zeros(ids.size, dtype=bool)
    first[np.unique(ids, return_index=True)[1]] = True
    fresh = first & ~known.contains(night, ids)
    duplicates = rows.filter(pa.array(~fresh))
    kept_in = [batch or key for batch in known.batches_of(night, ids[~fresh])]
    duplicates = duplicates.append_column("kept_in", pa.array(kept_in, pa.string()))
    return NightDuplicates(night, rows.num_rows, ids[fresh], duplicates)


def without_duplicates(alerts: DataFrame, found: Sequence[NightDuplicates]) -> DataFrame:
    """Raw rows but for the duplicates."""
    duplicates = pa.concat_tables([night.duplicates for night in found])
    if not duplicates.num_rows:
        return alerts
    position = [*KafkaPosition._fields]
    named = duplicates.select(position).rename_columns([f"_{name}" for name in position])
    dropped = alerts.sparkSession.createDataFrame(named)
    same = [F.col(f"ingest.{name}") == F.col(f"_{name}") for name in position]
    return alerts.join(F.broadcast(dropped), same, "left_anti")


def count_duplicates_that_differ(
    spark: SparkSession, storage: Storage, found: NightDuplicates, key: str
) -> int:
    """Duplicates that are not, field by field and byte by byte, the row that science kept.

    Only this batch and those that hold kept rows are read: a night of raw is far too much.
    """
    if not found.duplicates.num_rows:
        return 0
    batches = {key, *found.duplicates["kept_in"].to_pylist()}

    def count() -> int:
        rows = _raw_rows(spark, storage, found.night, batches)
        return _different(rows, found.duplicates, key).count()

    return retry_action(count)


def _different(rows: DataFrame, duplicates: pa.Table, key: str) -> DataFrame:
    """Duplicates of the batch ``key`` whose content is not that of the row that was kept."""
    spark = rows.sparkSession
    duplicated = F.broadcast(spark.createDataFrame(duplicates.drop_columns("kept_in")))
    kept_in = F.broadcast(spark.createDataFrame(duplicates.select(["alert_id", "kept_in"])))
    record = [name for name in rows.columns if name not in ("ingest", "night", "batch")]
    hashed = rows.join(kept_in.distinct(), "alert_id").select(
        "alert_id",
        *(F.col(f"ingest.{name}").alias(name) for name in KafkaPosition._fields),
        "batch",
        "kept_in",
        F.xxhash64(*record).alias("content"),
    )
    kept = (
        hashed.where(F.col("batch") == F.col("kept_in"))
        .groupBy("alert_id")
        .agg(F.min_by("content", F.struct(*KafkaPosition._fields)).alias("kept"))
    )
    again = hashed.where(F.col("batch") == key).join(
        duplicated, ["alert_id", *KafkaPosition._fields], "left_semi"
    )
    return again.join(kept, "alert_id").where(F.col("content") != F.col("kept"))


def _raw_rows(
    spark: SparkSession, storage: Storage, night: int, batches: Collection[str]
) -> DataFrame:
    """Raw rows of some batches of a night, online or in the archive."""
    online = online_batches(storage, "raw", night, batches)
    rows = batch_rows(spark, storage, "raw", [night], online)
    elsewhere = set(batches) - set(online)
    if not elsewhere:
        return rows
    archived = archived_rows(spark, storage, "raw", night)
    if archived is None:
        raise FileNotFoundError(f"raw night {night}: batches {sorted(elsewhere)} are nowhere")
    old = archived.where(F.col("batch").isin(elsewhere))
    return rows.unionByName(old, allowMissingColumns=True)
