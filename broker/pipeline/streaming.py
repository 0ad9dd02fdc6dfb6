"""Streaming stages of a survey, some or all, as the queries of one Spark application."""

from __future__ import annotations

from collections.abc import Collection

from broker.kafka.preflight import check_input, check_output
from broker.pipeline.distribute import Distribute
from broker.pipeline.job import Job
from broker.pipeline.raw import Stream2Raw
from broker.pipeline.runner import Runner, Stream
from broker.pipeline.science import Raw2Science
from broker.settings import Settings
from broker.spark.session import check_decoder_can_run
from broker.tables.stages import DISTRIBUTE, RAW, SCIENCE, STREAMING


def run_stages(
    job: Job,
    stages: Collection[str] = STREAMING,
    *,
    once: bool = False,
    start: str | None = None,
    skip_bad_filters: bool = False,
) -> None:
    """Run stages side by side, or with ``once`` one after the other, until they end.

    Each has its own checkpoint. When one dies, the others finish their batch.

    Parameters
    ----------
    job
        Holds the locks of these stages.
    start
        Where stage raw starts in Kafka without a checkpoint.
    skip_bad_filters
        Distribute without the filters that cannot be used.

    Raises
    ------
    FatalError
        A cluster does not answer, or a query died.
    """
    check_clusters(job.settings, stages)
    if RAW in stages:
        check_decoder_can_run(job.spark)
    ordered = [stage for stage in STREAMING if stage in stages]

    def streams(runner: Runner) -> list[Stream]:
        # Distribute first, since it refuses bad filters; the others may take long.
        made = {s: _stream(s, job, runner, start, skip_bad_filters) for s in reversed(ordered)}
        return [made[stage] for stage in ordered]

    job.run(ordered, streams, once)


def _stream(
    stage: str, job: Job, runner: Runner, start: str | None, skip_bad_filters: bool
) -> Stream:
    """Query of one stage."""
    if stage == RAW:
        return Stream2Raw(job.spark, job.settings, start).stream()
    if stage == SCIENCE:
        return Raw2Science(job.spark, job.settings, runner.check_stop).stream()
    return Distribute(job.spark, job.settings, runner.check_stop, skip_bad_filters).stream()


def check_clusters(settings: Settings, stages: Collection[str]) -> None:
    """Make sure that the clusters these stages need answer, before Spark starts.

    Raises
    ------
    FatalError
        Names the address, and what is wrong.
    """
    if RAW in stages:
        check_input(settings.kafka.client_options(), settings.kafka.input_topic)
    if DISTRIBUTE in stages:
        patience = settings.distribute.delivery_timeout_seconds
        check_output(settings.kafka.output_options(), patience)
