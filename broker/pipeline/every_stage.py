"""All stages of a survey as the streams of one Spark application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from pyspark.sql import SparkSession

from broker.pipeline import raw2science, stream2raw
from broker.pipeline.distribute import Distribute
from broker.pipeline.raw2science import Raw2Science
from broker.pipeline.runner import Stream
from broker.pipeline.stream2raw import Stream2Raw
from broker.settings import Settings
from broker.sinks import published
from broker.sinks.locks import StageLock
from broker.storage import Storage

STAGES = (stream2raw.STAGE, raw2science.STAGE, published.STAGE)
"""In the order in which an alert passes them."""


def lock_every_stage(storage: Storage, locks: ExitStack) -> None:
    """Be the one live writer of every stage until ``locks`` is closed.

    Raises
    ------
    LockHeld
        Another process runs one of them.
    """
    for stage in STAGES:
        locks.enter_context(StageLock(storage, stage))


def every_stream(
    spark: SparkSession,
    settings: Settings,
    check_stop: Callable[[], None],
    start: str | None = None,
    skip_bad_filters: bool = False,
) -> list[Stream]:
    """Streams in the order of `STAGES`; make them inside their locks.

    Parameters
    ----------
    start
        Where stream2raw starts without a checkpoint.
    skip_bad_filters
        Distribute without the filters that cannot be used.
    """
    science = Raw2Science(spark, settings, check_stop)
    distribute = Distribute(spark, settings, check_stop, skip_bad_filters)
    # First, since it refuses bad filters; the others may take long.
    distributed = distribute.stream()

    def rehearse_next(raw_area: str) -> None:
        with science.rehearsed(raw_area) as science_area:
            distribute.rehearse(science_area, raw_area)

    raw = Stream2Raw(spark, settings, start).stream(rehearse_next)
    # What has been rehearsed after stream2raw is not rehearsed again.
    return [raw, science.stream(), distributed]
