"""Close a night: its finished batches become a few large files, sorted by sky."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from broker.archive.batches import NightBatches, find_batches, prove
from broker.archive.night_rows import arrange, cuts
from broker.errors import LedgerError
from broker.settings import Settings
from broker.sinks.faults import fault_point
from broker.sinks.night_version import NightVersion, finish, recover
from broker.surveys import get_survey
from broker.tables import stages
from broker.tables.closed_nights import ClosedNight, ClosedNights, Kind, TakenBatch
from broker.tables.files import archived_batches, files_in, online_batches
from broker.tables.layout import ARCHIVE, CLOSED_NIGHTS, ONLINE, batch_folder, night_folder
from broker.tables.read_spark import archived_rows, batch_rows
from broker.tables.row_checksums import content_by_batch
from broker.tables.storage import Storage

log = logging.getLogger(__name__)

# Late batches stay files of their own up to this share of a night; then all is sorted again.
_LATE_SHARE = 0.05


@dataclass
class NightCloser:
    """Closes nights of one survey; make it inside a `StageLock` of stage ``archive``.

    Parameters
    ----------
    spark
        The session.
    settings
        Settings of the survey.
    """

    spark: SparkSession
    settings: Settings

    def __post_init__(self) -> None:
        self._storage = Storage(self.settings.survey_root)
        self._closed = ClosedNights(self._storage)

    def close(self, night: int, now: dt.datetime) -> ClosedNight | None:
        """Take the night's batches that every stage has finished and the archive lacks.

        Parameters
        ----------
        now
            Kept in the ledger, and what `keep_days` counts from.

        Returns
        -------
        ClosedNight or None
            The night's new state; None when there is nothing to take.

        Raises
        ------
        CheckFailed
            The night does not add up.
        LedgerError
            What was written is not what was read, or the archive is not what the ledger says.
        """
        for finished in recover(self._storage):
            log.info("finished night %d of an earlier run", finished)
        before = self._state_before(night)
        batches = find_batches(self._storage, night, before.keys if before else ())
        for key, stage in sorted(batches.waiting.items()):
            log.warning("batch %s of night %d stays online: it waits for %s", key, night, stage)
        if not batches.raw:
            return None
        return self._take(batches, before, now)

    def _take(
        self, batches: NightBatches, before: ClosedNight | None, now: dt.datetime
    ) -> ClosedNight:
        began = time.monotonic()
        fresh = prove(batches, self._storage, now)
        fault_point(stages.ARCHIVE, "before_stage")
        attempt = NightVersion(self._storage, batches.night, self._closed.next_key(batches.night))
        kind, late_rows = _kind(fresh, before)
        taken = fresh if before is None or kind == "late" else (*before.batches, *fresh)
        for table in ARCHIVE:
            self._stage(attempt, table, [b.key for b in taken], [b.key for b in fresh])
            verify(self._storage, attempt, table, taken)
        modules = {f"{m.name} {m.version}" for r in batches.science.values() for m in r.by_module}
        row = ClosedNight(
            survey=self.settings.survey,
            night=batches.night,
            key=attempt.key,
            version=attempt.version,
            kind=kind,
            batches=(*(before.batches if before else ()), *fresh),
            late_rows=late_rows,
            modules=tuple(sorted(modules | set(before.modules if before else ()))),
            closed_at=now,
            seconds=time.monotonic() - began,
        )
        finish(attempt, row)
        log_closed(row)
        return row

    def _stage(
        self, attempt: NightVersion, table: str, taken: Sequence[str], fresh: Sequence[str]
    ) -> None:
        """Write the rows of all batches that the attempt takes into its own files."""
        night = attempt.night
        found, folders = [], []
        # A batch may have rows of the night in one table only.
        if online := online_batches(self._storage, table, night, fresh):
            found.append(batch_rows(self.spark, self._storage, table, [night], online))
            folders += [batch_folder(ONLINE[table], night, key) for key in online]
        if len(taken) > len(fresh):
            archived = archived_rows(self.spark, self._storage, table, night)
            if archived is not None:
                found.append(archived)
                folders.append(night_folder(ARCHIVE[table], night))
        if not found:
            return
        rows = found[0] if len(found) == 1 else found[0].unionByName(found[1], True)
        cutouts = get_survey(self.settings.survey).cutouts
        attempt.stage(arrange(rows, taken, cutouts, cuts(self._storage, folders)), table)

    def _state_before(self, night: int) -> ClosedNight | None:
        before = self._closed.current(night)
        for table, area in ARCHIVE.items():
            folder = night_folder(area, night)
            if before is None and self._storage.exists(folder):
                raise LedgerError(
                    f"{self._storage.uri(folder)} is there, but the ledger knows no closed night "
                    f"{night}; restore {CLOSED_NIGHTS}, or move the folder away"
                )
            if before is not None and archived_batches(self._storage, table, night) - before.keys:
                raise LedgerError(
                    f"{self._storage.uri(folder)} holds batches that the ledger of closed nights "
                    f"does not name; restore {CLOSED_NIGHTS} from a backup"
                )
        return before


def _kind(fresh: Sequence[TakenBatch], before: ClosedNight | None) -> tuple[Kind, int]:
    """Kind of the new state, and the rows that files of late batches then hold."""
    if before is None:
        return "closed", 0
    added = sum(batch.raw.rows for batch in fresh)
    late_rows = before.late_rows + added
    if late_rows > _LATE_SHARE * (before.raw.rows + added):
        return "merged", 0
    return "late", late_rows


def verify(
    storage: Storage, attempt: NightVersion, table: str, taken: Sequence[TakenBatch]
) -> None:
    """Compare what was staged with what was read, batch by batch.

    Raises
    ------
    LedgerError
        They differ; the message says where.
    """
    staged = content_by_batch(storage, files_in(storage, attempt.table_folder(table)))
    read = {batch.key: getattr(batch, table) for batch in taken}
    for key in sorted(staged.keys() | {key for key, content in read.items() if content.rows}):
        if staged.get(key) != read.get(key):
            raise LedgerError(
                f"night {attempt.night}, {table}, batch {key}: {read.get(key)} was read, but "
                f"{staged.get(key)} was written; nothing was changed. Run it again, and if it "
                "happens again, report it"
            )


def log_closed(row: ClosedNight) -> None:
    """One line per night."""
    log.info(
        "archive %d, state %s (%s): %d batches, %d raw rows, %d science rows; %.2f s",
        row.night,
        row.key,
        row.kind,
        len(row.batches),
        row.raw.rows,
        row.science.rows,
        row.seconds,
    )
