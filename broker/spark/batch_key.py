"""Which batch an online row is of."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention


def with_batch_key(rows: DataFrame) -> DataFrame:
    """Rows read from online files, their ``batch`` as the folder's name has it.

    Left to itself, Spark takes a key such as 1234567e-000003 for a number.
    """
    key = F.regexp_extract("_metadata.file_path", "/batch=([^/]+)/[^/]+$", 1)
    return rows.withColumn("batch", key)
