"""Compact the ledger: move rows of old, finished batches into a few large files."""

from __future__ import annotations

import datetime as dt

from broker.tables import stages
from broker.tables.ledger import Ledger
from broker.tables.storage import Storage

# Fewer rows are not worth a file, more take memory.
_AT_LEAST, _AT_MOST = 1_000, 10_000
# What is new stays where the followers of a stage look.
_LEAST_AGE = dt.timedelta(days=1)


def compact_ledger(storage: Storage, now: dt.datetime) -> int:
    """Compact the rows of batches that every stage has finished more than a day ago.

    Returns
    -------
    int
        Batches that were compacted; none while they are few.
    """
    ledger = Ledger(storage)
    due = _finished(ledger, (now - _LEAST_AGE).timestamp())
    if len(due) < _AT_LEAST:
        return 0
    for start in range(0, len(due), _AT_MOST):
        some = frozenset(due[start : start + _AT_MOST])
        # A batch that is half compacted counts as due as long as its first row is not.
        for stage in (*stages.AFTER_INGEST, *stages.INGEST):
            ledger.compact(stage, some & ledger.uncompacted(stage).keys())
    return len(due)


def _finished(ledger: Ledger, until: float) -> list[str]:
    """Batches that every stage had finished then and that are not compacted, by key."""
    keys = {key for stage in stages.INGEST for key in ledger.uncompacted(stage)}
    for stage in stages.AFTER_INGEST:
        times = ledger.commit_times(stage)
        keys = {key for key in keys if key in times and times[key] < until}
    return sorted(keys)
