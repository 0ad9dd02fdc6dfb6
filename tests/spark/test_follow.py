"""A stage that follows the ledger takes each row once, whatever is compacted meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from broker.pipeline.follow_ledger import finished_batches, follow_ledger
from broker.tables.layout import ledger_path
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import to_table
from broker.tables.storage import Storage
from tests.builders import row


def commit(storage: Storage, *keys: str) -> None:
    for key in keys:
        storage.write_table(to_table(row(key)), ledger_path("raw", key))


def take(spark: SparkSession, storage: Storage, process: Callable[[DataFrame, int], None]) -> None:
    """Follow the ledger to its end."""
    query = (
        follow_ledger(spark, storage, ("raw", "replay"))
        .writeStream.option("checkpointLocation", storage.uri("checkpoints/follower"))
        .foreachBatch(process)
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()


def test_a_batch_cut_short_goes_on_though_its_rows_were_compacted(
    spark: SparkSession, tmp_path: Path
) -> None:
    storage = Storage(str(tmp_path))
    taken: list[tuple[str, str]] = []

    def process(rows: DataFrame, _batch: int) -> None:
        taken.extend(finished_batches(rows))

    def die(_rows: DataFrame, _batch: int) -> None:
        raise KeyError("cut short")

    commit(storage, "a-000000")
    take(spark, storage, process)
    commit(storage, "a-000001", "a-000002")
    with pytest.raises(StreamingQueryException, match="cut short"):
        take(spark, storage, die)
    # Another process had finished these two before it died too, and the night was closed.
    Ledger(storage).compact("raw", ["a-000000", "a-000001"])
    commit(storage, "a-000003")
    take(spark, storage, process)
    assert [key for _, key in taken] == ["a-000000", "a-000002", "a-000003"]


def test_rows_that_are_compacted_between_look_and_reading_are_left_out(
    spark: SparkSession, tmp_path: Path
) -> None:
    storage = Storage(str(tmp_path))
    taken: list[tuple[str, str]] = []

    def compact_and_process(rows: DataFrame, _batch: int) -> None:
        Ledger(storage).compact("raw", ["a-000000"])
        taken.extend(finished_batches(rows))

    commit(storage, "a-000000", "a-000001")
    take(spark, storage, compact_and_process)
    assert taken == [("raw", "a-000001")]
