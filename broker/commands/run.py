"""``nightjar run``: all stages of a survey in one Spark application."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import ConfOption, SetOption, SurveyOption

if TYPE_CHECKING:
    from broker.settings import Settings


def main(
    survey: SurveyOption,
    conf: ConfOption = None,
    words: SetOption = None,
    once: Annotated[
        bool, typer.Option(help="Process what is there, stage by stage, and exit.")
    ] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="ledger, earliest, latest or an ISO time.")
    ] = None,
    skip_bad_filters: Annotated[
        bool, typer.Option(help="Run without the filters that cannot be used.")
    ] = False,
) -> None:
    """Kafka to raw, raw to science, science to topics: three streams side by side.

    Each has its own checkpoint and its own lock, so a stage may run here or as a job of its own, in
    turn. When one dies, the others finish their batch, and the exit code is 3.
    """
    from broker.logs import log_as, log_to_stderr
    from broker.pipeline.all_stages import every_stream, lock_every_stage
    from broker.pipeline.metrics_server import watched
    from broker.pipeline.runner import Runner, exit_code
    from broker.settings import load_settings
    from broker.spark.session import build_session, check_decoder_can_run
    from broker.tables.stages import STREAMING
    from broker.tables.storage import Storage

    log_to_stderr()
    with exit_code(), ExitStack() as locks:
        settings = load_settings(survey, conf, words or ())
        log_as(settings.logs.format, survey)
        lock_every_stage(Storage(settings.survey_root), locks)
        _check_kafka(settings)
        spark = build_session(f"nightjar {survey}")
        check_decoder_can_run(spark)
        runner = Runner(spark, once)
        with watched(spark, settings, STREAMING):
            runner.run(every_stream(spark, settings, runner.check_stop, start, skip_bad_filters))


def _check_kafka(settings: Settings) -> None:
    """Find out what is wrong with either cluster before Spark is worth starting."""
    from broker.kafka.preflight import check_input, check_output

    check_input(settings.kafka.client_options(), settings.kafka.input_topic)
    patience = settings.distribute.delivery_timeout_seconds
    check_output(settings.kafka.output_options(), patience)
