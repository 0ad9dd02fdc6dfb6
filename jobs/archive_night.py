"""Close a night: spark-submit jobs/archive_night.py --survey ztf --night 20240707."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from broker.archive.close import NightCloser
from broker.archive.compact_ledger import compact_ledger
from broker.archive.tidy import remove_old_versions, remove_taken_batches
from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.logs import log_to_stderr
from broker.nights import parse_night
from broker.pipeline.runner import exit_code
from broker.settings import load_settings
from broker.sinks.locks import StageLock
from broker.spark.session import build_session
from broker.tables.stages import ARCHIVE
from broker.tables.storage import Storage


def main(
    survey: SurveyOption,
    night: Annotated[str, typer.Option(help="The night: 20240707 or 2024-07-07.")],
    conf: ConfOption = None,
    settings_words: SetOption = None,
) -> None:
    """Move a night's finished batches to the archive; again, to add late ones."""
    log_to_stderr()
    with exit_code():
        settings = load_settings(survey, conf, settings_words or ())
        storage = Storage(settings.survey_root)
        wanted, now = parse_night(night), dt.datetime.now(dt.UTC)
        with StageLock(storage, ARCHIVE):
            spark = build_session(f"nightjar {survey} archive_night {wanted}")
            row = NightCloser(spark, settings).close(wanted, now)
            removed = remove_taken_batches(storage, settings.archive.keep_days, now)
            # Science versions stay for `nightjar diff`, until `reprocess --prune`.
            remove_old_versions(storage, ["raw"], now)
            compacted = compact_ledger(storage, now)
        if row is None:
            print(f"night {wanted}: no finished batch that the archive lacks")
        else:
            print(
                f"night {wanted} ({row.kind}): {len(row.batches)} batches, {row.raw.rows} raw "
                f"rows, {row.science.rows} science rows in the archive"
            )
        print(f"{removed} batch folders, archived long enough, are no longer online")
        if compacted:
            print(f"{compacted} batches, finished by all stages, now share files in the ledger")


if __name__ == "__main__":
    typer.run(main)
