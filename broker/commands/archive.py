"""``nightjar archive``: close nights."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from broker.commands.options import NIGHTS, ConfOption, SetOption, SurveyOption
from broker.errors import UsageError
from broker.nights import NightRange, parse_nights
from broker.plural import counted
from broker.settings import load_settings

if TYPE_CHECKING:
    from broker.tables.closed_nights import ClosedNight
    from broker.tables.storage import Storage


def main(
    nights: Annotated[str, NIGHTS],
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Move the finished batches of nights to the archive; run it again to add late ones."""
    from broker.archive.close import NightCloser
    from broker.archive.compact_ledger import compact_ledger
    from broker.archive.tidy import remove_old_versions, remove_taken_batches
    from broker.pipeline.job import open_job
    from broker.tables.stages import ARCHIVE

    span = NightRange(*parse_nights(nights))
    with open_job("archive", load_settings(survey, conf, words), [ARCHIVE]) as job:
        now = dt.datetime.now(dt.UTC)
        for night in _online_nights(job.storage, span):
            _show(night, NightCloser(job.spark, job.settings).close(night, now))
        removed = remove_taken_batches(job.storage, job.settings.archive.keep_days, now)
        # Science versions stay for `nightjar diff`, until `nightjar reprocess --prune`.
        remove_old_versions(job.storage, ["raw"], now)
        compacted = compact_ledger(job.storage, now)
    print(f"removed from the online tables: {counted(removed, 'batch folder')} kept long enough")
    if compacted:
        print(f"compacted in the ledger: {counted(compacted, 'batch')} that all stages finished")


def _online_nights(storage: Storage, span: NightRange) -> list[int]:
    """Nights of a range that the online tables have; one that was named by itself in any case."""
    from broker.tables.layout import ONLINE, night_of

    if span.first == span.last:
        return [span.first]
    found = sorted(night for night in map(night_of, storage.names(ONLINE["raw"])) if night in span)
    if not found:
        raise UsageError(
            f"the online tables of {storage.path('')} have no night of {span.first}..{span.last}"
        )
    return found


def _show(night: int, row: ClosedNight | None) -> None:
    if row is None:
        print(f"night {night}: no finished batch that the archive lacks")
        return
    print(
        f"night {night} ({row.kind}): {counted(len(row.batches), 'batch')}, "
        f"{counted(row.raw.rows, 'raw row')}, {counted(row.science.rows, 'science row')} in the "
        "archive"
    )
