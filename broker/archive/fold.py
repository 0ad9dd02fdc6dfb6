"""Fold the ledger's rows of finished batches, so that no stage lists and reads them for good."""

from __future__ import annotations

import datetime as dt

from broker.archive.audit import INGEST_STAGES, LATER_STAGES
from broker.sinks.ledger import Ledger
from broker.storage import Storage

# Fewer rows are not worth a file, more take memory.
_AT_LEAST, _AT_MOST = 1_000, 10_000
# What is new stays where the followers of a stage look.
_LEAST_AGE = dt.timedelta(days=1)


def fold_ledger(storage: Storage, now: dt.datetime) -> int:
    """Fold the rows of batches that every stage has finished more than a day ago.

    Returns
    -------
    int
        Batches that were folded; none while they are few.
    """
    ledger = Ledger(storage)
    due = _finished(ledger, (now - _LEAST_AGE).timestamp())
    if len(due) < _AT_LEAST:
        return 0
    for start in range(0, len(due), _AT_MOST):
        some = frozenset(due[start : start + _AT_MOST])
        # A batch that is half folded counts as due as long as its first row is not.
        for stage in (*LATER_STAGES, *INGEST_STAGES):
            ledger.fold(stage, some & ledger.unfolded(stage).keys())
    return len(due)


def _finished(ledger: Ledger, until: float) -> list[str]:
    """Batches that every stage had finished then and that are not folded, by key."""
    keys = {key for stage in INGEST_STAGES for key in ledger.unfolded(stage)}
    for stage in LATER_STAGES:
        times = ledger.commit_times(stage)
        keys = {key for key in keys if key in times and times[key] < until}
    return sorted(keys)
