"""stream2raw: packets from Kafka become rows of the raw table, or go to quarantine."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pyspark.sql import DataFrame, SparkSession

from broker.errors import UsageError
from broker.ingest.decoder import PacketDecoder
from broker.ingest.offsets import (
    Reached,
    Span,
    batch_offsets,
    batch_time,
    check_none_vanished,
    check_nothing_missed,
)
from broker.ingest.source import (
    at_batch_time,
    starting_options,
    stream_packets,
)
from broker.kafka.cluster import KafkaCluster
from broker.kafka.positions import TopicPartition, Watermarks
from broker.kafka.sample import sample_messages
from broker.kafka.topic_names import matching
from broker.logs import note
from broker.pipeline.ingest_batch import Ingested, ingest
from broker.pipeline.runner import Stream
from broker.settings import IngestSettings, Settings
from broker.sinks.publish import Publisher
from broker.surveys import get_survey
from broker.tables.layout import checkpoint_folder
from broker.tables.ledger_row import LedgerRow, OffsetRange
from broker.tables.stages import RAW
from broker.tables.storage import Storage

log = logging.getLogger(__name__)

CHECKPOINT = checkpoint_folder("stream2raw")
# Until packets have been seen, they are taken to be as large as ZTF's.
_PACKET_BYTES = 75_000
_SAMPLE = 100
_PATIENCE_SECONDS = 30.0


@dataclass
class Stream2Raw:
    """The stage ``raw``; make it inside a `StageLock`.

    Parameters
    ----------
    spark
        The session.
    settings
        Settings of one survey.
    start
        Where a stream without a checkpoint starts: see `starting_options`. Given explicitly, it is
        refused beside a checkpoint, which would silently win.
    """

    spark: SparkSession
    settings: Settings
    start: str | None = None
    _reached: dict[TopicPartition, Reached] = field(init=False)

    def __post_init__(self) -> None:
        self._storage = Storage(self.settings.survey_root)
        self._publisher = Publisher(self._storage, RAW)
        self._decoder = PacketDecoder(
            get_survey(self.settings.survey), self.settings.ingest, self._storage
        )
        self._cluster = KafkaCluster(
            self.settings.kafka.client_options(), _PATIENCE_SECONDS, "kafka.servers"
        )

    def stream(self) -> Stream:
        """Recover what an earlier process left, and describe the query.

        Raises
        ------
        UsageError
            ``start`` was given, but a checkpoint exists.
        DataLoss
            There is no checkpoint, and topics that the ledger has read in part are gone.
        """
        for key in self._publisher.recover():
            log.info("finished batch %s of an earlier run", key)
        resuming = self._storage.exists(f"{CHECKPOINT}/offsets")
        chosen = self.start not in (None, "ledger")
        if resuming and chosen:
            raise UsageError(
                f"--from {self.start} has no effect beside the checkpoint "
                f"{self._storage.uri(CHECKPOINT)}, which says where to go on; remove that folder "
                "first, or leave --from out"
            )
        self._reached = _reached(self._publisher.ledger.offsets(RAW))
        kafka = self.settings.kafka
        partitions = self._cluster.partitions()
        if not (resuming or chosen):
            check_none_vanished(self._reached.keys() - partitions, self._reached)
        starting = starting_options(
            self.start or "ledger", kafka.input_topic, self._reached, partitions
        )
        waiting = self._waiting(matching(kafka.input_topic, partitions))
        sample = sample_messages(
            kafka.client_options(), {at: span.start for at, span in waiting.items()}, _SAMPLE
        )
        self._decoder.learn_from(sample)
        return Stream(
            name=RAW,
            frame=stream_packets(
                self.spark, kafka, starting, max_offsets(self.settings.ingest, sample, waiting)
            ),
            process=self.process,
            checkpoint=self._storage.uri(CHECKPOINT),
            trigger_seconds=self.settings.ingest.trigger_seconds,
        )

    def process(self, packets: DataFrame, batch_id: int) -> None:
        """Ingest one batch, prove that nothing before it was missed, and commit it."""
        began = time.monotonic()
        key = batch_key(self.spark, batch_id)
        note(batch=key)
        if self._publisher.ledger.has(RAW, key):
            log.info("batch %s is committed already", key)
            return
        attempt = self._publisher.attempt(key)
        at = batch_time(self._storage, CHECKPOINT, batch_id)
        done = ingest(self._decoder, at_batch_time(packets, at), attempt)
        offsets = self._proven(batch_id, done)
        row = LedgerRow(
            survey=self.settings.survey,
            stage=RAW,
            key=key,
            batch_time=at,
            seconds=time.monotonic() - began,
            read=done.read,
            written=done.written,
            quarantined=done.quarantined,
            bytes_read=done.bytes_read,
            offsets=offsets,
            by_night=done.by_night,
            by_reason=done.by_reason,
        )
        self._publisher.finish(attempt, row)
        self._reached |= _reached(row.offsets)
        note(night=[item.night for item in row.by_night])
        log_batch(row)

    def _proven(self, batch_id: int, done: Ingested) -> tuple[OffsetRange, ...]:
        batch = batch_offsets(self._storage, CHECKPOINT, batch_id)
        kept = self._cluster.watermarks({*batch.spans, *batch.gone})
        known = {at: _from_first(span, kept.get(at)) for at, span in batch.spans.items()}
        check_nothing_missed(
            replace(batch, spans=known),
            self._reached,
            kept,
            read_all=done.read == sum(span.until - span.start for span in known.values()),
        )
        return tuple(
            OffsetRange(*at, span.start, span.until, _end(span, kept.get(at)))
            for at, span in sorted(known.items())
            if span.until > span.start
        )

    def _waiting(self, partitions: set[TopicPartition]) -> dict[TopicPartition, Span]:
        """Messages of each partition from about where the stream goes on."""
        waiting = {}
        for at, kept in self._cluster.watermarks(partitions).items():
            reached = self._reached.get(at)
            start = max(reached.until, kept.low) if reached else kept.low
            if start < kept.high:
                waiting[at] = Span(start, kept.high)
        return waiting


def max_offsets(
    wanted: IngestSettings, sample: list[bytes], waiting: Mapping[TopicPartition, Span]
) -> int:
    """Records that make a batch of about the size that the settings aim at.

    A backlog goes in even batches: a small one at its end would cost nearly as much as a large.
    """
    if wanted.max_offsets_per_batch:
        return wanted.max_offsets_per_batch
    mean = sum(map(len, sample)) / len(sample) if sample else _PACKET_BYTES
    aim = max(100, int(wanted.batch_megabytes * 1_000_000 / max(mean, 1.0)))
    messages = _messages(waiting)
    if messages <= aim:
        return aim
    # Spark shares the limit out among the partitions and rounds each share down.
    return -(-messages // round(messages / aim)) + len(waiting)


def _messages(waiting: Mapping[TopicPartition, Span]) -> int:
    return sum(span.until - span.start for span in waiting.values())


def _reached(spans: Iterable[OffsetRange]) -> dict[TopicPartition, Reached]:
    reached: dict[TopicPartition, Reached] = {}
    for span in spans:
        if span.source not in reached or span.until >= reached[span.source].until:
            reached[span.source] = Reached(span.until, span.end)
    return reached


def _from_first(span: Span, kept: Watermarks | None) -> Span:
    """Span with a known start: a partition met for the first time begins where the broker does."""
    if span.start >= 0:
        return span
    return Span(kept.low if kept else 0, span.until)


def _end(span: Span, kept: Watermarks | None) -> int:
    return kept.high if kept else span.until


def batch_key(spark: SparkSession, batch_id: int) -> str:
    """Key of the batch in hand; only inside ``foreachBatch``."""
    query = spark.sparkContext.getLocalProperty("sql.streaming.queryId")
    return f"{str(query)[:8]}-{batch_id:06d}"


def log_batch(row: LedgerRow) -> None:
    """One line per batch."""
    nights = ", ".join(str(item.night) for item in row.by_night[:4])
    log.info(
        "%s %s: read %d, wrote %d, quarantined %d; nights %s%s; %.2f s",
        row.stage,
        row.key,
        row.read,
        row.written,
        row.quarantined,
        nights,
        " …" if len(row.by_night) > 4 else "",
        row.seconds,
    )
