"""stream2raw: packets from Kafka become rows of the raw table, or go to quarantine."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pyspark.sql import DataFrame, SparkSession

from broker.errors import UsageError
from broker.ingest.decoder import PacketDecoder
from broker.ingest.offsets import (
    Broker,
    Place,
    Reached,
    Span,
    Watermarks,
    batch_offsets,
    batch_time,
    check_none_vanished,
    check_nothing_missed,
)
from broker.ingest.sample import sample_messages
from broker.ingest.source import (
    at_batch_time,
    matching,
    read_packets,
    starting_options,
    stream_packets,
)
from broker.logs import note
from broker.pipeline.ingest_batch import Ingested, ingest, rehearse
from broker.pipeline.runner import Stream
from broker.settings import Ingest, Settings
from broker.sinks.ledger_row import LedgerRow, OffsetRange
from broker.sinks.publish import LONG_BACKLOG, REHEARSALS, Publisher, rehearsal
from broker.storage import Storage
from broker.surveys import get_survey

log = logging.getLogger(__name__)

STAGE = "raw"
CHECKPOINT = "checkpoints/stream2raw"
# Until packets have been seen, they are taken to be as large as ZTF's.
_PACKET_BYTES = 75_000
_SAMPLE = 100
# So many packets are enough for a rehearsal.
_REHEARSED = 1500


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
    _reached: dict[Place, Reached] = field(init=False)

    def __post_init__(self) -> None:
        self._storage = Storage(self.settings.survey_root)
        self._publisher = Publisher(self._storage, STAGE)
        self._decoder = PacketDecoder(
            get_survey(self.settings.survey), self.settings.ingest, self._storage
        )
        self._broker = Broker(self.settings.kafka.client_options())

    def stream(self, rehearse_next: Callable[[str], None] | None = None) -> Stream:
        """Recover what an earlier process left, and describe the query.

        Parameters
        ----------
        rehearse_next
            Gets the area of the rows that a rehearsal has staged, before they go: for the stages
            that follow in the same application.

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
        self._reached = _reached(self._publisher.ledger.offsets(STAGE))
        kafka = self.settings.kafka
        places = self._broker.partitions()
        if not (resuming or chosen):
            check_none_vanished(self._reached.keys() - places, self._reached)
        starting = starting_options(
            self.start or "ledger", kafka.input_topic, self._reached, places
        )
        waiting = self._waiting(matching(kafka.input_topic, places))
        sample = sample_messages(
            kafka.client_options(), {place: span.start for place, span in waiting.items()}, _SAMPLE
        )
        self._decoder.learn_from(sample)
        self._rehearse(waiting, rehearse_next)
        return Stream(
            name=STAGE,
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
        if self._publisher.ledger.has(STAGE, key):
            log.info("batch %s is committed already", key)
            return
        attempt = self._publisher.attempt(key)
        at = batch_time(self._storage, CHECKPOINT, batch_id)
        done = ingest(self._decoder, at_batch_time(packets, at), attempt)
        offsets = self._proven(batch_id, done)
        row = LedgerRow(
            survey=self.settings.survey,
            stage=STAGE,
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
        kept = self._broker.watermarks({*batch.spans, *batch.gone})
        known = {place: _from_first(span, kept.get(place)) for place, span in batch.spans.items()}
        check_nothing_missed(
            replace(batch, spans=known),
            self._reached,
            kept,
            read_all=done.read == sum(span.until - span.start for span in known.values()),
        )
        return tuple(
            OffsetRange(*place, span.start, span.until, _end(span, kept.get(place)))
            for place, span in sorted(known.items())
            if span.until > span.start
        )

    def _waiting(self, places: set[Place]) -> dict[Place, Span]:
        """Messages of each partition from about where the stream goes on."""
        waiting = {}
        for place, kept in self._broker.watermarks(places).items():
            reached = self._reached.get(place)
            start = max(reached.until, kept.low) if reached else kept.low
            if start < kept.high:
                waiting[place] = Span(start, kept.high)
        return waiting

    def _rehearse(
        self, waiting: dict[Place, Span], rehearse_next: Callable[[str], None] | None
    ) -> None:
        """Before a long backlog: it is done sooner by a program that is compiled."""
        if _messages(waiting) < LONG_BACKLOG:
            return
        few = _REHEARSED // len(waiting)
        spans = {
            place: Span(span.start, min(span.until, span.start + few))
            for place, span in waiting.items()
        }
        # Detached from its source, as a stream's batches are: else other code would be generated.
        packets = read_packets(self.spark, self.settings.kafka, spans).localCheckpoint(eager=False)
        packets = at_batch_time(packets, dt.datetime.now(dt.UTC))
        began = time.monotonic()
        for _ in range(REHEARSALS):
            with rehearsal(self._storage, STAGE) as attempt:
                rehearse(self._decoder, packets, attempt)
                # Packets that are all refused leave nothing for the stages that follow.
                if rehearse_next is not None and attempt.rows_by_night("raw"):
                    rehearse_next(attempt.as_published("raw"))
        seconds = time.monotonic() - began
        log.info("rehearsed with %d packets in %.1f s", few * len(waiting), seconds)


def max_offsets(wanted: Ingest, sample: list[bytes], waiting: Mapping[Place, Span]) -> int:
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


def _messages(waiting: Mapping[Place, Span]) -> int:
    return sum(span.until - span.start for span in waiting.values())


def _reached(spans: Iterable[OffsetRange]) -> dict[Place, Reached]:
    reached: dict[Place, Reached] = {}
    for span in spans:
        place = (span.topic, span.partition)
        if place not in reached or span.until >= reached[place].until:
            reached[place] = Reached(span.until, span.end)
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
