"""Columns of a batch: the key that a row's folder names, and the time of the batch."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention


def with_batch_key(rows: DataFrame) -> DataFrame:
    """Rows read from online files, their ``batch`` as the folder's name has it.

    Left to itself, Spark takes a key such as 1234567e-000003 for a number.
    """
    key = F.regexp_extract("_metadata.file_path", "/batch=([^/]+)/[^/]+$", 1)
    return rows.withColumn("batch", key)


def time_of_batch(at: dt.datetime, column: str) -> Column:
    """The time, in every row.

    Spark writes a plain constant into the code that it generates, and a time that is new in each
    batch would have Java compile everything anew each time; what is in an array stays outside.

    Parameters
    ----------
    at
        The time, with time zone.
    column
        A column of whole numbers, never negative.
    """
    first = F.least(F.col(column), F.lit(0))  # 0, but Spark must not compute it beforehand
    return F.get(F.array(F.lit(at)), first)
