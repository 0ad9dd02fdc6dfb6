"""Constants of a batch, as columns that leave Spark's generated code the same for all batches."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention


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
