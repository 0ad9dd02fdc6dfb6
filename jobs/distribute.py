"""Science Parquet to Kafka topics: spark-submit jobs/distribute.py --survey ztf [--once]."""

from __future__ import annotations

from typing import Annotated

import typer

from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.kafka.preflight import check_output
from broker.logs import log_as, log_to_stderr
from broker.pipeline.distribute import Distribute
from broker.pipeline.metrics_server import watched
from broker.pipeline.runner import Runner, exit_code
from broker.settings import load_settings
from broker.sinks.locks import StageLock
from broker.spark.session import build_session
from broker.tables.stages import DISTRIBUTE
from broker.tables.storage import Storage


def main(
    survey: SurveyOption,
    conf: ConfOption = None,
    settings_words: SetOption = None,
    once: Annotated[bool, typer.Option(help="Process what is there and exit.")] = False,
    skip_bad_filters: Annotated[
        bool, typer.Option(help="Run without the filters that cannot be used.")
    ] = False,
) -> None:
    """Send each alert that matches a filter to the filter's topic, exactly once."""
    log_to_stderr()
    with exit_code():
        settings = load_settings(survey, conf, settings_words or ())
        log_as(settings.logs.format, survey)
        with StageLock(Storage(settings.survey_root), DISTRIBUTE):
            patience = settings.distribute.delivery_timeout_seconds
            check_output(settings.kafka.output_options(), patience)
            spark = build_session(f"nightjar {survey} distribute")
            runner = Runner(spark, once)
            stage = Distribute(spark, settings, runner.check_stop, skip_bad_filters)
            with watched(spark, settings, [DISTRIBUTE]):
                runner.run([stage.stream()])


if __name__ == "__main__":
    typer.run(main)
