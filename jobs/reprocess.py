"""Run science again on closed nights: spark-submit jobs/reprocess.py --survey ztf --nights A..B."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from broker.archive.reprocess import Reprocessor
from broker.archive.tidy import remove_old_versions
from broker.commands.diff import show_diff
from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.logs import log_to_stderr
from broker.nights import NightRange, parse_nights
from broker.pipeline.runner import exit_code
from broker.settings import load_settings
from broker.sinks.locks import StageLock
from broker.spark.session import build_session
from broker.tables.stages import ARCHIVE
from broker.tables.storage import Storage


def main(
    survey: SurveyOption,
    nights: Annotated[str, typer.Option("--nights", "--night", help="A night, or A..B.")],
    modules: Annotated[str, typer.Option(help="Only these (a,b), and what depends on them.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Show what would change; change nothing.")] = False,
    prune: Annotated[bool, typer.Option(help="Only remove versions that were replaced.")] = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Write the science of closed nights again and swap it in; the old stays until --prune."""
    log_to_stderr()
    with exit_code():
        settings = load_settings(survey, conf, words or ())
        storage, span = Storage(settings.survey_root), NightRange(*parse_nights(nights))
        now, chosen = dt.datetime.now(dt.UTC), tuple(filter(None, modules.split(",")))
        with StageLock(storage, ARCHIVE):
            if prune:
                n_removed = remove_old_versions(storage, ["raw", "science"], now, span)
                print(f"{n_removed} replaced versions, older than an hour, are removed")
                return
            spark = build_session(f"nightjar {survey} reprocess {nights}")
            reprocessor = Reprocessor(spark, settings, chosen)
            if dry_run:
                for diff in reprocessor.try_out(span, now):
                    show_diff(diff)
                return
            for row in reprocessor.run(span, now):
                print(f"night {row.night}: {row.science.rows} science rows, {row.seconds:.1f} s")


if __name__ == "__main__":
    typer.run(main)
