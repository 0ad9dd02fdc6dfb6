"""Kafka to raw Parquet: spark-submit jobs/stream2raw.py --survey ztf [--once] [--from …]."""

from __future__ import annotations

from typing import Annotated

import typer

from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.kafka.preflight import check_input
from broker.logs import log_as, log_to_stderr
from broker.pipeline.metrics_server import watched
from broker.pipeline.raw import Stream2Raw
from broker.pipeline.runner import Runner, exit_code
from broker.settings import load_settings
from broker.sinks.locks import StageLock
from broker.spark.session import build_session, check_decoder_can_run
from broker.tables.stages import RAW
from broker.tables.storage import Storage


def main(
    survey: SurveyOption,
    conf: ConfOption = None,
    settings_words: SetOption = None,
    once: Annotated[bool, typer.Option(help="Process what is there and exit.")] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="ledger, earliest, latest or an ISO time.")
    ] = None,
) -> None:
    """Keep every packet of a survey's Kafka topic as Parquet."""
    log_to_stderr()
    with exit_code():
        settings = load_settings(survey, conf, settings_words or ())
        log_as(settings.logs.format, survey)
        with StageLock(Storage(settings.survey_root), RAW):
            check_input(settings.kafka.client_options(), settings.kafka.input_topic)
            spark = build_session(f"nightjar {survey} stream2raw")
            check_decoder_can_run(spark)
            stage = Stream2Raw(spark, settings, start)
            with watched(spark, settings, [RAW]):
                Runner(spark, once).run([stage.stream()])


if __name__ == "__main__":
    typer.run(main)
