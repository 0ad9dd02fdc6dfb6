"""``nightjar reprocess``: run science again on closed nights."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from broker.commands.diff import show_diff
from broker.commands.options import NIGHTS, ConfOption, SetOption, SurveyOption
from broker.nights import NightRange, parse_nights
from broker.plural import counted
from broker.settings import load_settings


def main(
    nights: Annotated[str, NIGHTS],
    survey: SurveyOption = None,
    modules: Annotated[
        str, typer.Option(help="Only these modules (a,b) and those that depend on them.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; change nothing.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Only remove versions that were replaced.")
    ] = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Compute the science of closed nights again and swap it in; the old stays until --prune."""
    from broker.archive.reprocess import Reprocessor
    from broker.archive.tidy import remove_old_versions
    from broker.pipeline.job import open_job
    from broker.tables.stages import ARCHIVE

    span, now = NightRange(*parse_nights(nights)), dt.datetime.now(dt.UTC)
    with open_job(f"reprocess {nights}", load_settings(survey, conf, words), [ARCHIVE]) as job:
        if prune:
            removed = remove_old_versions(job.storage, ["raw", "science"], now, span)
            print(f"removed {counted(removed, 'version')} that were replaced over an hour ago")
            return
        chosen = tuple(filter(None, modules.split(",")))
        reprocessor = Reprocessor(job.spark, job.settings, chosen)
        if dry_run:
            for diff in reprocessor.try_out(span, now):
                show_diff(diff)
            return
        for row in reprocessor.run(span, now):
            rows = counted(row.science.rows, "science row")
            print(f"night {row.night}: {rows}, {row.seconds:.1f} s")
