"""raw2science: finished raw batches become science batches of the same key."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, Observation, SparkSession

from broker.errors import LedgerError
from broker.ingest.offsets import batch_time
from broker.logs import note
from broker.pipeline.follow import finished_batches, follow_ledger
from broker.pipeline.repeats import (
    NightRepeats,
    find_repeats,
    repeats_that_differ,
    without_repeats,
)
from broker.pipeline.runner import Stream
from broker.science.apply import ScienceColumns, by_module
from broker.settings import Settings
from broker.sinks.ids import ScienceIds
from broker.sinks.ledger_row import LedgerRow, ModuleCount, NightCount
from broker.sinks.publish import (
    AREAS,
    LONG_BACKLOG,
    REHEARSAL,
    REHEARSALS,
    Attempt,
    Publisher,
    rehearsal,
)
from broker.storage import Storage
from broker.surveys import get_survey

log = logging.getLogger(__name__)

STAGE = "science"
UPSTREAM = ("raw", "replay")
CHECKPOINT = "checkpoints/raw2science"


@dataclass
class Raw2Science:
    """The stage ``science``; make it inside a `StageLock`.

    Parameters
    ----------
    spark
        The session.
    settings
        Settings of one survey.
    check_stop
        Raises when the process was told to stop; called between batches.
    """

    spark: SparkSession
    settings: Settings
    check_stop: Callable[[], None]
    _has_rehearsed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._storage = Storage(self.settings.survey_root)
        self._publisher = Publisher(self._storage, STAGE)
        survey = get_survey(self.settings.survey)
        self._columns = ScienceColumns.of(survey, self.settings.science)
        self._ids = ScienceIds(self._storage)

    def stream(self) -> Stream:
        """Recover what an earlier process left, and describe the query."""
        for key in self._publisher.recover():
            log.info("finished batch %s of an earlier run", key)
        self._rehearse()
        return Stream(
            name=STAGE,
            frame=follow_ledger(self.spark, self._storage, UPSTREAM),
            process=self.process,
            checkpoint=self._storage.uri(CHECKPOINT),
            trigger_seconds=self.settings.ingest.trigger_seconds,
        )

    @contextmanager
    def rehearsed(self, raw_area: str) -> Iterator[str]:
        """Stage science of raw rows that are staged only, for nothing; its area, for a while.

        Java compiles now, and Python's workers load the models, instead of in the first batch.
        """
        nights = self._storage.names(raw_area)
        alerts = self._read(raw_area, [f"{raw_area}/{night}/batch={REHEARSAL}" for night in nights])
        with rehearsal(self._storage, STAGE) as attempt:
            self._stage(alerts, dt.datetime.now(dt.UTC), Observation(), attempt)
            self._has_rehearsed = True
            yield attempt.as_published("science")

    def _rehearse(self) -> None:
        """Before a long backlog: it is done sooner by a program that is compiled."""
        if self._has_rehearsed:
            return
        waiting = [commit.row for commit in self._publisher.ledger.waiting(STAGE, UPSTREAM)]
        if sum(row.written for row in waiting) < LONG_BACKLOG:
            return
        began = time.monotonic()
        largest = max(waiting, key=lambda row: row.written)
        night = max(largest.by_night, key=lambda item: item.written).night
        area = AREAS["raw"]
        folder = f"{area}/night={night}/batch={largest.key}"
        alerts = self._read(area, [f"{folder}/{min(self._storage.names(folder))}"])
        for _ in range(REHEARSALS):
            with rehearsal(self._storage, STAGE) as attempt:
                self._stage(alerts, dt.datetime.now(dt.UTC), Observation(), attempt)
        log.info("rehearsed with batch %s in %.1f s", largest.key, time.monotonic() - began)

    def process(self, rows: DataFrame, batch_id: int) -> None:
        """Run science on every raw batch that a trigger brought."""
        at = batch_time(self._storage, CHECKPOINT, batch_id)
        for stage, key in finished_batches(rows):
            self.check_stop()
            if self._publisher.ledger.has(STAGE, key):
                log.info("science batch %s is committed already", key)
            else:
                self._run(self._publisher.ledger.row(stage, key), at)

    def _run(self, upstream: LedgerRow, at: dt.datetime) -> None:
        began = time.monotonic()
        attempt = self._publisher.attempt(upstream.key)
        nights = [item.night for item in upstream.by_night if item.written]
        note(batch=upstream.key, night=nights)
        found = [find_repeats(self._storage, self._ids, n, upstream.key) for n in nights]
        measured = Observation()
        if nights:
            alerts = without_repeats(self._raw_rows(nights, upstream.key), found)
            self._stage(alerts, at, measured, attempt)
        staged = attempt.rows_by_night("science")
        counts = tuple(self._count(night, staged.get(night.night, 0), upstream) for night in found)
        row = LedgerRow(
            survey=self.settings.survey,
            stage=STAGE,
            key=upstream.key,
            upstream=upstream.stage,
            batch_time=at,
            seconds=time.monotonic() - began,
            read=sum(night.rows for night in found),
            written=sum(staged.values()),
            repeats=sum(count.repeats for count in counts),
            repeats_that_differ=sum(count.repeats_that_differ for count in counts),
            by_night=counts,
            by_module=self._by_module(measured) if nights else (),
        )
        self._publisher.finish(attempt, row)
        for night in found:
            self._ids.add(night.night, night.ids, upstream.key)
        log_science(row)

    def _stage(
        self, alerts: DataFrame, at: dt.datetime, measured: Observation, attempt: Attempt
    ) -> None:
        attempt.stage_table(self._columns.rows(alerts, at, measured), "science")

    def _raw_rows(self, nights: list[int], key: str) -> DataFrame:
        area = AREAS["raw"]
        return self._read(area, [f"{area}/night={night}/batch={key}" for night in nights])

    def _read(self, area: str, folders: Sequence[str]) -> DataFrame:
        reader = self.spark.read.option("basePath", self._storage.uri(area))
        return reader.parquet(*map(self._storage.uri, folders))

    def _count(self, found: NightRepeats, written: int, upstream: LedgerRow) -> NightCount:
        if written != found.ids.size:
            raise LedgerError(
                f"science batch {upstream.key}, night {found.night}: {found.rows} raw rows, "
                f"{found.repeats.num_rows} repeats, but {written} science rows were written; "
                "start again, and if it repeats, keep the staging folder and report it"
            )
        return NightCount(
            night=found.night,
            written=written,
            repeats=found.repeats.num_rows,
            repeats_that_differ=repeats_that_differ(self.spark, self._storage, found, upstream.key),
        )

    def _by_module(self, measured: Observation) -> tuple[ModuleCount, ...]:
        counts = by_module(measured.get, self.settings.survey, self.settings.science)
        return tuple(ModuleCount(c.name, c.version, c.seconds, c.failures) for c in counts)


def log_science(row: LedgerRow) -> None:
    """One line per batch."""
    failures = ", ".join(f"{m.name} {m.failures}" for m in row.by_module if m.failures)
    log.info(
        "%s %s: read %d, wrote %d, repeats %d%s; %.2f s",
        row.stage,
        row.key,
        row.read,
        row.written,
        row.repeats,
        f", module failures: {failures}" if failures else "",
        row.seconds,
    )
