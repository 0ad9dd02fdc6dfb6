"""raw2science: finished raw batches become science batches of the same key."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, Observation, SparkSession

from broker.errors import LedgerError
from broker.ingest.offsets import batch_time
from broker.logs import note
from broker.pipeline.duplicates import (
    NightDuplicates,
    count_duplicates_that_differ,
    find_duplicates,
    without_duplicates,
)
from broker.pipeline.follow_ledger import finished_batches, follow_ledger
from broker.pipeline.runner import Stream
from broker.science.engine.apply import ScienceColumns
from broker.settings import Settings
from broker.sinks.publish import Attempt, Publisher
from broker.spark.types import to_spark_schema
from broker.surveys import get_survey
from broker.tables.layout import checkpoint_folder
from broker.tables.ledger_row import LedgerRow, NightCount
from broker.tables.raw_schema import raw_schema
from broker.tables.read_spark import batch_rows
from broker.tables.science_ids import ScienceIds
from broker.tables.stages import SCIENCE, UPSTREAM
from broker.tables.storage import Storage

log = logging.getLogger(__name__)

CHECKPOINT = checkpoint_folder("raw2science")


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

    def __post_init__(self) -> None:
        self._storage = Storage(self.settings.survey_root)
        self._publisher = Publisher(self._storage, SCIENCE)
        survey = get_survey(self.settings.survey)
        self._columns = ScienceColumns.of(survey, self.settings.science)
        self._raw_schema = to_spark_schema(raw_schema(survey), described=False)
        self._ids = ScienceIds(self._storage)

    def stream(self) -> Stream:
        """Recover what an earlier process left, and describe the query."""
        for key in self._publisher.recover():
            log.info("finished batch %s of an earlier run", key)
        return Stream(
            name=SCIENCE,
            frame=follow_ledger(self.spark, self._storage, UPSTREAM[SCIENCE]),
            process=self.process,
            checkpoint=self._storage.uri(CHECKPOINT),
            trigger_seconds=self.settings.ingest.trigger_seconds,
        )

    def process(self, rows: DataFrame, batch_id: int) -> None:
        """Run science on every raw batch that a trigger brought."""
        at = batch_time(self._storage, CHECKPOINT, batch_id)
        for stage, key in finished_batches(rows):
            self.check_stop()
            if self._publisher.ledger.has(SCIENCE, key):
                log.info("science batch %s is committed already", key)
            else:
                self._run(self._publisher.ledger.row(stage, key), at)

    def _run(self, upstream: LedgerRow, at: dt.datetime) -> None:
        began = time.monotonic()
        attempt = self._publisher.attempt(upstream.key)
        nights = [item.night for item in upstream.by_night if item.written]
        note(batch=upstream.key, night=nights)
        found = [find_duplicates(self._storage, self._ids, n, upstream.key) for n in nights]
        measured = Observation()
        if nights:
            raw = batch_rows(
                self.spark, self._storage, "raw", nights, [upstream.key], self._raw_schema
            )
            alerts = without_duplicates(raw, found)
            self._stage(alerts, at, measured, attempt)
        staged = attempt.rows_by_night("science")
        counts = tuple(self._count(night, staged.get(night.night, 0), upstream) for night in found)
        row = LedgerRow(
            survey=self.settings.survey,
            stage=SCIENCE,
            key=upstream.key,
            upstream=upstream.stage,
            batch_time=at,
            seconds=time.monotonic() - began,
            read=sum(night.rows for night in found),
            written=sum(staged.values()),
            repeats=sum(count.repeats for count in counts),
            repeats_that_differ=sum(count.repeats_that_differ for count in counts),
            by_night=counts,
            by_module=self._columns.by_module(measured.get) if nights else (),
        )
        self._publisher.finish(attempt, row)
        for night in found:
            self._ids.add(night.night, night.ids, upstream.key)
        log_science(row)

    def _stage(
        self, alerts: DataFrame, at: dt.datetime, measured: Observation, attempt: Attempt
    ) -> None:
        attempt.stage_table(self._columns.rows(alerts, at, measured), "science")

    def _count(self, found: NightDuplicates, written: int, upstream: LedgerRow) -> NightCount:
        if written != found.ids.size:
            raise LedgerError(
                f"science batch {upstream.key}, night {found.night}: {found.rows} raw rows, "
                f"{found.duplicates.num_rows} duplicates, but {written} science rows were written; "
                "start again, and if it repeats, keep the staging folder and report it"
            )
        return NightCount(
            night=found.night,
            written=written,
            repeats=found.duplicates.num_rows,
            repeats_that_differ=count_duplicates_that_differ(
                self.spark, self._storage, found, upstream.key
            ),
        )


def log_science(row: LedgerRow) -> None:
    """One line per batch."""
    failures = ", ".join(f"{m.name} {m.failures}" for m in row.by_module if m.failures)
    log.info(
        "%s %s: read %d, wrote %d, duplicates %d%s; %.2f s",
        row.stage,
        row.key,
        row.read,
        row.written,
        row.repeats,
        f", module failures: {failures}" if failures else "",
        row.seconds,
    )
