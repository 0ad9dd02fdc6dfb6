"""All stages of a survey as the streams of one Spark application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from pyspark.sql import SparkSession

from broker.pipeline.distribute import Distribute
from broker.pipeline.raw import Stream2Raw
from broker.pipeline.runner import Stream
from broker.pipeline.science import Raw2Science
from broker.settings import Settings
from broker.sinks.locks import StageLock
from broker.tables.stages import STREAMING
from broker.tables.storage import Storage


def lock_every_stage(storage: Storage, locks: ExitStack) -> None:
    """Be the one live writer of every stage until ``locks`` is closed.

    Raises
    ------
    LockHeld
        Another process runs one of them.
    """
    for stage in STREAMING:
        locks.enter_context(StageLock(storage, stage))


def every_stream(
    spark: SparkSession,
    settings: Settings,
    check_stop: Callable[[], None],
    start: str | None = None,
    skip_bad_filters: bool = False,
) -> list[Stream]:
    """Streams in the order of `STREAMING`; make them inside their locks.

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

    return [Stream2Raw(spark, settings, start).stream(), science.stream(), distributed]
