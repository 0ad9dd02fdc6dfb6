"""``nightjar run``: the stages of a survey in one Spark application."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from broker.commands.options import (
    ConfOption,
    OnceOption,
    SetOption,
    SkipBadFiltersOption,
    StartOption,
    SurveyOption,
)
from broker.errors import UsageError
from broker.tables.stages import DISTRIBUTE, RAW, SCIENCE, STREAMING


class StageName(StrEnum):
    """Stages that run by themselves or together."""

    RAW = RAW
    SCIENCE = SCIENCE
    DISTRIBUTE = DISTRIBUTE


def main(
    stages: Annotated[
        list[StageName] | None,
        typer.Option("--stage", help="Only this stage; may be given several times."),
    ] = None,
    survey: SurveyOption = None,
    once: OnceOption = False,
    start: StartOption = None,
    skip_bad_filters: SkipBadFiltersOption = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Kafka to raw, raw to science, science to topics: three streams side by side.

    Each has its own checkpoint and its own lock, so a stage may run here or as a job of its own, in
    turn. When one dies, the others finish their batch, and the exit code is 3.
    """
    from broker.pipeline.job import open_job
    from broker.pipeline.streaming import run_stages
    from broker.settings import load_settings

    chosen = [stage.value for stage in stages or ()] or list(STREAMING)
    if start is not None and RAW not in chosen:
        raise UsageError(f"--from goes with stage {RAW}, which is not among {', '.join(chosen)}")
    if skip_bad_filters and DISTRIBUTE not in chosen:
        raise UsageError(
            f"--skip-bad-filters goes with stage {DISTRIBUTE}, which is not among "
            f"{', '.join(chosen)}"
        )
    name = "run" if stages is None else " ".join(chosen)
    with open_job(name, load_settings(survey, conf, words), chosen) as job:
        run_stages(job, chosen, once=once, start=start, skip_bad_filters=skip_bad_filters)
