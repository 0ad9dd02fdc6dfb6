"""Stage ``distribute``: send alerts that match filters, one Kafka transaction per batch."""

from __future__ import annotations

import datetime as dt
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StructType

from broker.filters import MATCHES, FilterFolders, FilterSet
from broker.ingest.offsets import batch_time
from broker.kafka.cluster import KafkaCluster
from broker.kafka.topic_names import marker_topic
from broker.logs import note
from broker.pipeline.follow_ledger import finished_batches, follow_ledger
from broker.pipeline.routes import Routes
from broker.pipeline.runner import Stream
from broker.science.engine.science_pass import SciencePass
from broker.settings import Settings
from broker.sinks.marker_topic import (
    TOPIC_CONFIG,
    MarkerTopic,
    batch_message,
    filter_messages,
    read_marker_topic,
)
from broker.sinks.publish import Attempt, Publisher
from broker.sinks.transactions import OutgoingMessage, Send, Transactions
from broker.spark.types import to_spark_schema
from broker.surveys import get_survey
from broker.tables.filter_texts import FilterTexts
from broker.tables.layout import checkpoint_folder
from broker.tables.ledger_row import FilterCount, LedgerRow
from broker.tables.read_spark import batch_rows
from broker.tables.science_schema import science_schema
from broker.tables.stages import DISTRIBUTE, SCIENCE, UPSTREAM
from broker.tables.storage import Storage

log = logging.getLogger(__name__)

CHECKPOINT = checkpoint_folder("distribute")
_AT_ONCE = 8000
"""Alerts in the driver's memory at once; a few hundred MB with all their images."""
# Filters named at most in the line about a batch.
_NAMED = 10


@dataclass
class Distribute:
    """The stage ``distribute``; make it inside a `StageLock`.

    Parameters
    ----------
    spark
        The session.
    settings
        Settings of one survey.
    check_stop
        Raises when the process was told to stop; called between batches.
    skip_bad_filters
        Run without the filters that cannot be used, instead of refusing to start.
    """

    spark: SparkSession
    settings: Settings
    check_stop: Callable[[], None]
    skip_bad_filters: bool = False

    def __post_init__(self) -> None:
        self._storage = Storage(self.settings.survey_root)
        self._publisher = Publisher(self._storage, DISTRIBUTE)
        self._texts = FilterTexts(self._storage)
        self._options = self.settings.kafka.output_options()
        self._patience = self.settings.distribute.delivery_timeout_seconds
        self._marker = marker_topic(self.settings.kafka.output_prefix, self.settings.survey)

    def stream(self) -> Stream:
        """Recover what an earlier process left, and describe the query.

        Raises
        ------
        InputError, SettingsError
            A filter cannot be used.
        FatalError
            Kafka does not answer, or refuses us.
        """
        for key in self._publisher.recover():
            log.info("finished batch %s of an earlier run", key)
        self._science = self._science_columns()
        self._filters = FilterSet(
            self.spark,
            FilterFolders.of(self.settings.filters),
            self.settings.survey,
            self._science,
            skip_bad=self.skip_bad_filters,
        )
        self._cluster = KafkaCluster(self._options, self._patience)
        self._transactions = Transactions(
            self._options,
            transactional_id(self.settings.survey),
            self._patience,
            DISTRIBUTE,
        )
        # From here on no earlier process can add to the marker topic.
        self._transactions.start()
        self._sent = self._read_marker_topic()
        self._adopt_filters()
        return Stream(
            name=DISTRIBUTE,
            frame=follow_ledger(self.spark, self._storage, UPSTREAM[DISTRIBUTE]),
            process=self.process,
            checkpoint=self._storage.uri(CHECKPOINT),
            trigger_seconds=self.settings.ingest.trigger_seconds,
        )

    def process(self, rows: DataFrame, batch_id: int) -> None:
        """Send all science batches of a trigger."""
        at = batch_time(self._storage, CHECKPOINT, batch_id)
        for _, key in finished_batches(rows):
            self.check_stop()
            if self._publisher.ledger.has(DISTRIBUTE, key):
                log.info("batch %s is committed already", key)
            elif key in self._sent.batches:
                log.info("batch %s was sent already; only its ledger row was missing", key)
                self._finish(self._publisher.attempt(key), self._sent.batches[key])
            else:
                if self._filters.reload():
                    self._adopt_filters()
                self._run(self._publisher.ledger.row(SCIENCE, key), at)

    def _run(self, upstream: LedgerRow, at: dt.datetime) -> None:
        began = time.monotonic()
        nights = [item.night for item in upstream.by_night if item.written]
        note(batch=upstream.key, night=nights)
        attempt = self._publisher.attempt(upstream.key)
        row = LedgerRow(
            survey=self.settings.survey,
            stage=DISTRIBUTE,
            key=upstream.key,
            upstream=SCIENCE,
            batch_time=at,
            seconds=0.0,
            read=upstream.written,
            written=0,
        )

        def send_all(send: Send) -> None:
            nonlocal row
            counts = self._send_alerts(upstream, nights, send)
            for message in filter_messages(self._marker, self._sent.filters, self._described):
                send(message)
            row = replace(
                row,
                seconds=time.monotonic() - began,
                written=sum(count.matched for count in counts),
                by_filter=counts,
            )
            send(batch_message(self._marker, row))

        self._transactions.transact(send_all)
        self._sent = self._sent.with_filters(self._described)
        self._finish(attempt, row)

    def _send_alerts(
        self, upstream: LedgerRow, nights: list[int], send: Send
    ) -> tuple[FilterCount, ...]:
        counts = [0] * len(self._routes)
        if nights and counts:
            for index, message in self._messages(
                self._read_batch("science", nights, upstream.key, self._science),
                lambda columns: self._read_batch("raw", nights, upstream.key, columns),
                math.ceil(upstream.written / _AT_ONCE),
            ):
                send(message)
                counts[index] += 1
        return tuple(
            FilterCount(route.filter.name, route.filter.digest, count)
            for route, count in zip(self._routes.routes, counts, strict=True)
        )

    def _messages(
        self,
        science: DataFrame,
        read_raw: Callable[[StructType], DataFrame],
        parts: int = 1,
    ) -> Iterator[tuple[int, OutgoingMessage]]:
        """Yield each message of science rows with the index of its filter; part by part."""
        for part in range(parts):
            # By object, so that the alerts of one stay in order.
            is_in_part = F.pmod(F.xxhash64("object_id"), F.lit(parts)) == part
            some = science.where(is_in_part) if parts > 1 else science
            rows = self._routes.packets.rows(self._filters.evaluate(some), read_raw)
            # All cores at once, unlike toLocalIterator, and no pickles.
            for batch in rows.toArrow().to_batches():
                for row in batch.to_pylist():
                    for index in row[MATCHES]:
                        yield index, self._routes[index].message(row)

    def _read_batch(
        self, table: str, nights: list[int], key: str, columns: StructType
    ) -> DataFrame:
        return batch_rows(self.spark, self._storage, table, nights, [key], columns)

    def _finish(self, attempt: Attempt, row: LedgerRow) -> None:
        self._publisher.finish(attempt, row)
        log_distributed(row)

    def _adopt_filters(self) -> None:
        self._filters.keep(self._texts)
        self._routes = Routes(self.settings, self._science, self._cluster, self._filters.filters)
        self._described = [route.filter for route in self._routes.routes]
        log.info(
            "filters (%d): %s", len(self._described), ", ".join(f.name for f in self._described)
        )

    def _science_columns(self) -> StructType:
        science = SciencePass(self.settings.survey, self.settings.science)
        declared = science_schema(get_survey(self.settings.survey), science.fields)
        return to_spark_schema(declared, described=False)

    def _read_marker_topic(self) -> MarkerTopic:
        known = self._cluster.topics()
        if self._marker not in known:
            self._cluster.create_topic(self._marker, 1, TOPIC_CONFIG)
        committed = self._publisher.ledger.commit_times(DISTRIBUTE)
        return read_marker_topic(
            self._options, self._marker, known.get(self._marker, 1), self._patience, committed
        )


def transactional_id(survey: str) -> str:
    """Identity of the stage in Kafka; it never changes, so that a new start shuts out the old."""
    return f"nightjar-{survey}-{DISTRIBUTE}"


def log_distributed(row: LedgerRow) -> None:
    """Log one line about a batch."""
    most = sorted((c for c in row.by_filter if c.matched), key=lambda count: -count.matched)
    sent = ", ".join(f"{count.name} {count.matched}" for count in most[:_NAMED])
    if len(most) > _NAMED:
        sent += f" and {len(most) - _NAMED} more"
    log.info(
        "%s %s: read %d, sent %d%s; %.2f s",
        row.stage,
        row.key,
        row.read,
        row.written,
        f" ({sent})" if sent else "",
        row.seconds,
    )
