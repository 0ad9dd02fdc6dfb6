"""Replay: the same ingest code over the bytes of quarantined packets."""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.ingest.decoder import PacketDecoder
from broker.kafka.positions import KafkaPosition
from broker.pipeline.ingest_batch import ingest
from broker.settings import Settings
from broker.sinks.publish import Attempt, Publisher
from broker.surveys import get_survey
from broker.tables.ledger_row import LedgerRow, OffsetRange
from broker.tables.read_arrow import POSITION
from broker.tables.read_spark import quarantined_rows
from broker.tables.stages import RAW, REPLAY
from broker.tables.storage import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """Quarantined packets to take; all of ingest's by default."""

    reason: str | None = None
    night: int | None = None


def replay(spark: SparkSession, settings: Settings, selection: Selection) -> LedgerRow | None:
    """Ingest quarantined packets again, as a batch of its own.

    A packet that was replayed successfully is never taken again; one that fails again stays in
    quarantine. Make the call inside a `StageLock`.

    Returns
    -------
    LedgerRow or None
        The committed batch, or None when there is nothing to replay.
    """
    began = time.monotonic()
    storage = Storage(settings.survey_root)
    publisher = Publisher(storage, REPLAY)
    publisher.recover()
    packets = _waiting(spark, storage, publisher, selection)
    if packets is None or packets.isEmpty():
        return None
    attempt = publisher.attempt(_next_key(publisher))
    decoder = PacketDecoder(get_survey(settings.survey), settings.ingest, storage)
    done = ingest(decoder, packets, attempt, keep_refused=False)
    if not done.written:
        attempt.discard()
        log.info("%d packets were tried again; none can be used yet", done.read)
        return None
    row = LedgerRow(
        survey=settings.survey,
        stage=REPLAY,
        key=attempt.key,
        batch_time=_batch_time(packets),
        seconds=time.monotonic() - began,
        read=done.read,
        written=done.written,
        quarantined=done.quarantined,
        bytes_read=done.bytes_read,
        offsets=_replayed_positions(attempt),
        by_night=done.by_night,
    )
    publisher.finish(attempt, row)
    return row


def _waiting(
    spark: SparkSession, storage: Storage, publisher: Publisher, selection: Selection
) -> DataFrame | None:
    """Quarantined packets of ingest that no replay has brought back."""
    refused = quarantined_rows(spark, storage)
    if refused is None:
        return None
    rows = refused.where(F.col("stage") == RAW)
    if selection.reason:
        rows = rows.where(F.col("reason") == selection.reason)
    if selection.night:
        rows = rows.where(F.col("night") == selection.night)
    # Each Kafka position once, however often its batch was read.
    position = [*KafkaPosition._fields]
    packets = rows.select("value", *position, "kafka_timestamp").dropDuplicates(position)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    packets = packets.withColumn("batch_time", F.lit(now))
    done = [one for row in publisher.ledger.rows(REPLAY) for one in row.positions()]
    if not done:
        return packets
    replayed = spark.createDataFrame(done, "topic string, partition int, offset bigint")
    return packets.join(F.broadcast(replayed), position, "left_anti")


def _next_key(publisher: Publisher) -> str:
    # Never one of another installation: the output topics remember every batch that was sent.
    return f"{REPLAY}-{uuid.uuid4().hex[:8]}-{len(publisher.ledger.keys(REPLAY)):06d}"


def _batch_time(packets: DataFrame) -> dt.datetime:
    first = packets.select(F.unix_seconds("batch_time")).first()
    assert first is not None
    return dt.datetime.fromtimestamp(first[0], dt.UTC)


def _replayed_positions(attempt: Attempt) -> tuple[OffsetRange, ...]:
    """Kafka positions of the staged raw rows, each a range of one."""
    staged = attempt.columns_of("raw", POSITION).to_pylist()
    return tuple(
        OffsetRange(topic, partition, offset, offset + 1, offset + 1)
        for topic, partition, offset in sorted(KafkaPosition(**row) for row in staged)
    )
