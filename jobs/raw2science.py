"""Raw to science Parquet: spark-submit jobs/raw2science.py --survey ztf [--once]."""

from __future__ import annotations

from typing import Annotated

import typer

from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.logs import log_as, log_to_stderr
from broker.pipeline.metrics_server import watched
from broker.pipeline.runner import Runner, exit_code
from broker.pipeline.science import Raw2Science
from broker.settings import load_settings
from broker.sinks.locks import StageLock
from broker.spark.session import build_session
from broker.tables.stages import SCIENCE
from broker.tables.storage import Storage


def main(
    survey: SurveyOption,
    conf: ConfOption = None,
    settings_words: SetOption = None,
    once: Annotated[bool, typer.Option(help="Process what is there and exit.")] = False,
) -> None:
    """Run the science modules on every raw batch of a survey."""
    log_to_stderr()
    with exit_code():
        settings = load_settings(survey, conf, settings_words or ())
        log_as(settings.logs.format, survey)
        with StageLock(Storage(settings.survey_root), SCIENCE):
            spark = build_session(f"nightjar {survey} raw2science")
            runner = Runner(spark, once)
            stage = Raw2Science(spark, settings, runner.check_stop)
            with watched(spark, settings, [SCIENCE]):
                runner.run([stage.stream()])


if __name__ == "__main__":
    typer.run(main)
