"""Follow a stage: its ledger is a stream of small files, one for each batch, until it is compacted.

The ledger's rows never change and arrive by rename, unlike the data, of which a file stream would
list every folder at every poll. A later stage that loses its checkpoint sees rows again and skips
those that are in its own ledger; those that are compacted all stages have done.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from broker.tables.layout import ledger_folder, ledger_folders
from broker.tables.ledger_schema import LEDGER_SCHEMA
from broker.tables.storage import Storage

# Old rows are never ignored: a stage may have been off for long.
_MAX_AGE = "3650d"
_BATCHES_AT_ONCE = 32


def follow_ledger(spark: SparkSession, storage: Storage, stages: Sequence[str]) -> DataFrame:
    """Stream of the ledger's rows of some stages: ``stage, key, batch_time``."""
    for stage in stages:
        storage.make_folder(ledger_folder(stage))
    rows = (
        spark.readStream.schema(from_arrow_schema(LEDGER_SCHEMA))
        .option("maxFileAge", _MAX_AGE)
        .option("maxFilesPerTrigger", _BATCHES_AT_ONCE)
        # Seen again after a death, a row may be compacted between Spark's look and its reading.
        .option("ignoreMissingFiles", "true")
        .parquet(storage.uri(ledger_folders(stages)))
    )
    return rows.select("stage", "key", "batch_time")


def finished_batches(rows: DataFrame) -> list[tuple[str, str]]:
    """Stage and key of the batches that a trigger brought, oldest first."""
    collected = sorted(rows.collect(), key=lambda row: (row["batch_time"], row["key"]))
    return [(row["stage"], row["key"]) for row in collected]
