"""Run science again on closed nights: the same code as live, over the archive."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.archive.close import log_closed, verify
from broker.archive.diff import NightDiff, diff_files
from broker.archive.night_rows import arrange, cuts
from broker.errors import UsageError
from broker.kafka.positions import KafkaPosition
from broker.nights import NightRange
from broker.science.engine.apply import apply_modules
from broker.science.engine.partial_pass import PartialPass, apply_again
from broker.science.engine.science_pass import SciencePass
from broker.settings import Settings
from broker.sinks.faults import fault_point
from broker.sinks.night_version import NightVersion, finish, recover
from broker.surveys import get_survey
from broker.tables import stages
from broker.tables.closed_nights import ClosedNight, ClosedNights
from broker.tables.files import files_in
from broker.tables.layout import ARCHIVE, checkpoint_folder, night_folder
from broker.tables.read_arrow import POSITION, archived_columns
from broker.tables.read_spark import archived_rows
from broker.tables.storage import Storage

log = logging.getLogger(__name__)

_PROGRESS = checkpoint_folder("reprocess")
_ROW = ("batch", *KafkaPosition._fields)


@dataclass
class Reprocessor:
    """Reprocesses nights of one survey; make it inside a `StageLock` of stage ``archive``.

    Parameters
    ----------
    spark
        The session.
    settings
        Settings of the survey.
    modules
        Only these and the modules that depend on them, from the archive's science rows only;
        none: everything, from the raw rows.

    Raises
    ------
    SettingsError
        The modules cannot run, or not on science rows only.
    """

    spark: SparkSession
    settings: Settings
    modules: tuple[str, ...] = ()
    _science: SciencePass = field(init=False)

    def __post_init__(self) -> None:
        self._storage = Storage(self.settings.survey_root)
        self._closed = ClosedNights(self._storage)
        self._science = SciencePass(self.settings.survey, self.settings.science)
        if self.modules:
            PartialPass(self.settings.survey, self.settings.science, self.modules)

    def run(self, nights: NightRange, now: dt.datetime) -> list[ClosedNight]:
        """Write the science of closed nights again, each swapped in when it is whole.

        A run that was killed goes on where it stopped when the same is asked for again.

        Returns
        -------
        list of ClosedNight
            The new states of the nights that this call has done.

        Raises
        ------
        UsageError
            No night of the range is closed.
        LedgerError
            A night did not come out with the same alerts.
        """
        recover(self._storage)
        chosen = self._nights(nights)
        started = self._started(nights, now)
        waiting = [night for night in chosen if not self._is_done(night, started)]
        if len(waiting) < len(chosen):
            log.info("going on with a run that was stopped: %d nights left", len(waiting))
        with ThreadPoolExecutor(self.settings.archive.nights_at_once) as pool:
            done = list(pool.map(lambda night: self._replace(night, started), waiting))
        self._storage.delete(self._progress(nights))
        return done

    def try_out(self, nights: NightRange, now: dt.datetime) -> Iterator[NightDiff]:
        """Difference that a run would make, night by night; nothing is changed."""
        recover(self._storage)
        for night in self._nights(nights):
            attempt, _ = self._stage(night, now)
            current = files_in(self._storage, night_folder(ARCHIVE["science"], night))
            staged = files_in(self._storage, attempt.table_folder("science"))
            yield diff_files(night, current, staged)
            attempt.discard()

    def _replace(self, night: int, started: dt.datetime) -> ClosedNight:
        began = time.monotonic()
        attempt, before = self._stage(night, started)
        row = ClosedNight(
            survey=before.survey,
            night=night,
            key=attempt.key,
            version=attempt.version,
            kind="reprocessed",
            batches=before.batches,
            late_rows=before.late_rows,
            modules=tuple(f"{m.name} {m.version}" for m in self._science.modules),
            closed_at=started,
            seconds=time.monotonic() - began,
        )
        finish(attempt, row)
        log_closed(row)
        return row

    def _stage(self, night: int, at: dt.datetime) -> tuple[NightVersion, ClosedNight]:
        before = self._closed.current(night)
        assert before is not None
        fault_point(stages.ARCHIVE, "before_stage")
        attempt = NightVersion(self._storage, night, self._closed.next_key(night))
        folder = night_folder(ARCHIVE["science"], night)
        if self._storage.exists(folder):
            rows = self._again(night, at) if self.modules else self._from_raw(night, at)
            at_cells = cuts(self._storage, [folder])
            attempt.stage(arrange(rows, sorted(before.keys), (), at_cells), "science")
            verify(self._storage, attempt, "science", before.batches)
        return attempt, before

    def _again(self, night: int, at: dt.datetime) -> DataFrame:
        rows = archived_rows(self.spark, self._storage, "science", night)
        assert rows is not None
        return apply_again(rows, self.settings.survey, self.settings.science, self.modules, at)

    def _from_raw(self, night: int, at: dt.datetime) -> DataFrame:
        rows = archived_rows(self.spark, self._storage, "raw", night)
        assert rows is not None
        return apply_modules(
            self._without_duplicates(rows, night),
            get_survey(self.settings.survey),
            self.settings.science,
            at,
            carried=("batch",),
        )

    def _without_duplicates(self, rows: DataFrame, night: int) -> DataFrame:
        """Raw rows that science has; which of several it took was decided when they came in."""
        raw, science = (
            archived_columns(self._storage, table, night, POSITION) for table in ("raw", "science")
        )
        duplicates: pa.Table = raw.join(science, list(_ROW), join_type="left anti")
        if not duplicates.num_rows:
            return rows
        named = duplicates.select(list(_ROW)).rename_columns([f"_{name}" for name in _ROW])
        dropped = self.spark.createDataFrame(named)
        same = [F.col(f"ingest.{name}") == F.col(f"_{name}") for name in KafkaPosition._fields]
        return rows.join(
            F.broadcast(dropped), [F.col("batch") == F.col("_batch"), *same], "left_anti"
        )

    def _nights(self, nights: NightRange) -> list[int]:
        chosen = [night for night in self._closed.nights() if night in nights]
        if not chosen:
            raise UsageError(
                f"no night {nights.first}..{nights.last} of {self.settings.survey} is closed; "
                "close it first: bin/nightjar archive --night N"
            )
        return chosen

    def _is_done(self, night: int, started: dt.datetime) -> bool:
        state = self._closed.current(night)
        return state is not None and state.kind == "reprocessed" and state.closed_at == started

    def _started(self, nights: NightRange, now: dt.datetime) -> dt.datetime:
        """Time at which this run was started first; kept until all its nights are done."""
        path = self._progress(nights)
        if self._storage.exists(path):
            return dt.datetime.fromisoformat(self._storage.read_text(path))
        self._storage.write_text(now.isoformat(), path)
        return now

    def _progress(self, nights: NightRange) -> str:
        """File of a run over these nights with these modules and numbers."""
        what = {
            "nights": [nights.first, nights.last],
            "modules": self.modules,
            "steps": self._science.steps,
            "settings": self.settings.science.model_dump(mode="json"),
        }
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
        return f"{_PROGRESS}/{digest}"
