"""Batches that a night may be closed with, and the proof that they add up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from broker.audit.equations import check_ingest, check_science
from broker.audit.topics import check_filters
from broker.errors import CheckFailed
from broker.nights import NightRange
from broker.tables import stages
from broker.tables.closed_nights import TakenBatch
from broker.tables.layout import ONLINE, batch_folder
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow
from broker.tables.row_checksums import content_of_folder
from broker.tables.storage import Storage


@dataclass(frozen=True)
class NightBatches:
    """Batches with raw rows of one night that the archive does not have.

    Parameters
    ----------
    raw, science, distributed
        Ledger rows of the batches that every stage has finished, by key.
    waiting
        Key of a batch that a stage has not finished → that stage.
    """

    night: int
    raw: Mapping[str, LedgerRow]
    science: Mapping[str, LedgerRow]
    distributed: Mapping[str, LedgerRow]
    waiting: Mapping[str, str]

    @property
    def keys(self) -> list[str]:
        """Keys of the batches that can be taken."""
        return sorted(self.raw)


def find_batches(storage: Storage, night: int, taken: Iterable[str]) -> NightBatches:
    """Batches of a night, apart from those that were taken already."""
    ledger = Ledger(storage)
    known = {
        row.key: row for stage in stages.INGEST for row in ledger.rows(stage) if rows_of(row, night)
    }
    raw = {key: row for key, row in known.items() if key not in frozenset(taken)}
    done = {stage: frozenset(ledger.keys(stage)) for stage in stages.AFTER_INGEST}
    waiting = {}
    for key in raw:
        for stage, keys in reversed(done.items()):
            if key not in keys:
                waiting[key] = stage
    ready = {key: row for key, row in raw.items() if key not in waiting}
    return NightBatches(
        night=night,
        raw=ready,
        science=ledger.some_rows("science", ready),
        distributed=ledger.some_rows("distribute", ready),
        waiting=waiting,
    )


def prove(batches: NightBatches, storage: Storage, now: dt.datetime) -> tuple[TakenBatch, ...]:
    """Show that the batches add up, in the ledger and in their files.

    Returns
    -------
    tuple of TakenBatch
        What their files hold.

    Raises
    ------
    CheckFailed
        They don't; the message says where.
    """
    night = batches.night
    findings = [
        check_ingest(batches.raw.values()),
        check_science(batches.raw.values(), batches.science.values(), NightRange(night, night)),
        check_filters(batches.science.values(), batches.distributed.values()),
    ]
    differences = [text for finding in findings for text in finding.differences]
    taken = []
    for key in batches.keys:
        found = {
            table: content_of_folder(storage, batch_folder(area, night, key))
            for table, area in ONLINE.items()
        }
        for table, rows in (("raw", batches.raw), ("science", batches.science)):
            said = rows_of(rows[key], night)
            if found[table].rows != said:
                differences.append(
                    f"{table}, night {night}, batch {key}: {found[table].rows} rows in files, "
                    f"{said} in the ledger"
                )
        taken.append(TakenBatch(key, found["raw"], found["science"], now))
    if differences:
        raise CheckFailed(
            f"night {night} is not closed, since it does not add up:\n  "
            + "\n  ".join(differences)
            + "\n`nightjar audit --deep` says more; nothing was changed"
        )
    return tuple(taken)


def rows_of(row: LedgerRow, night: int) -> int:
    """Rows that a batch wrote of a night."""
    return sum(item.written for item in row.by_night if item.night == night)
