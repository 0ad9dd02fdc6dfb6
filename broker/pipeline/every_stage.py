"""All stages of a survey as the streams of one Spark application."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import SparkSession

from broker.pipeline.distribute import Distribute
from broker.pipeline.raw2science import Raw2Science
from broker.pipeline.runner import Stream
from broker.pipeline.stream2raw import Stream2Raw
from broker.settings import Settings


def every_stream(
    spark: SparkSession, settings: Settings, check_stop: Callable[[], None]
) -> list[Stream]:
    """Streams in the order in which an alert passes them; make them inside their locks."""
    return [
        Stream2Raw(spark, settings).stream(),
        Raw2Science(spark, settings, check_stop).stream(),
        Distribute(spark, settings, check_stop).stream(),
    ]
