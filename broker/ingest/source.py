"""Spark's Kafka source: packets as a stream, or those of given offsets."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.errors import UsageError
from broker.ingest.offsets import Reached, Span
from broker.kafka.positions import TopicPartition, format_offsets
from broker.kafka.topic_names import is_pattern, matching
from broker.settings.kafka import KafkaSettings
from broker.spark.columns import time_of_batch

_EARLIEST = -2
_FETCHING = {
    # By default a fetch brings 1 MB, a dozen packets, and a task waits for each.
    "kafka.max.partition.fetch.bytes": str(16 * 1024 * 1024),
    "kafka.receive.buffer.bytes": str(1024 * 1024),
    # The consumer asks for more before Spark asks how far the partition goes, and the second answer
    # waits for the first: half a second by default at a topic's end, where a live stream always is.
    "kafka.fetch.max.wait.ms": "10",
}


def stream_packets(
    spark: SparkSession, kafka: KafkaSettings, starting: Mapping[str, str], max_offsets: int
) -> DataFrame:
    """Messages as ``value, topic, partition, offset, kafka_timestamp``.

    Parameters
    ----------
    starting
        Options that say where a stream without a checkpoint starts, from `starting_options`.
    max_offsets
        A batch has at most this many records.
    """
    reader = (
        spark.readStream.format("kafka")
        .options(**spark_options(kafka), **starting)
        .option(*_subscription(kafka.input_topic))
        .option("maxOffsetsPerTrigger", max_offsets)
        # One partition of Kafka would otherwise keep all cores but one idle.
        .option("minPartitions", spark.sparkContext.defaultParallelism)
        # Loss is detected against the ledger: see broker.ingest.offsets.
        .option("failOnDataLoss", "false")
    )
    return _named(reader.load())


def read_packets(
    spark: SparkSession, kafka: KafkaSettings, spans: Mapping[TopicPartition, Span]
) -> DataFrame:
    """Messages of some offsets, with the columns of `stream_packets`."""
    partitions: dict[str, list[int]] = {}
    for at in spans:
        partitions.setdefault(at.topic, []).append(at.partition)
    starts = format_offsets({at: span.start for at, span in spans.items()})
    ends = format_offsets({at: span.until for at, span in spans.items()})
    reader = (
        spark.read.format("kafka")
        .options(**spark_options(kafka))
        .option("assign", json.dumps(partitions))
        .option("startingOffsets", starts)
        .option("endingOffsets", ends)
        .option("minPartitions", spark.sparkContext.defaultParallelism)
        .option("failOnDataLoss", "false")
    )
    return _named(reader.load())


def at_batch_time(packets: DataFrame, at: dt.datetime) -> DataFrame:
    """Add ``batch_time``, the same for all."""
    return packets.withColumn("batch_time", time_of_batch(at, "partition"))


def _named(messages: DataFrame) -> DataFrame:
    return messages.select(
        "value", "topic", "partition", "offset", F.col("timestamp").alias("kafka_timestamp")
    )


def _subscription(topic: str) -> tuple[str, str]:
    """Option of the source and its value; Spark finds a pattern anywhere in a topic's name."""
    return ("subscribePattern", f"^(?:{topic})$") if is_pattern(topic) else ("subscribe", topic)


def spark_options(kafka: KafkaSettings) -> dict[str, str]:
    """Options of Spark's Kafka source for the input cluster."""
    return {**kafka.spark_options(), **_FETCHING}


def starting_options(
    start: str,
    topic: str,
    reached: Mapping[TopicPartition, Reached],
    partitions: set[TopicPartition],
) -> dict[str, str]:
    """Options of the source for the start of a stream without a checkpoint.

    Parameters
    ----------
    start
        ``ledger`` (where the ledger ends, else at the beginning), ``earliest``, ``latest`` or an
        ISO time (UTC unless it says otherwise).
    topic
        The topic setting.
    reached
        How far the ledger has come.
    partitions
        All partitions of the cluster.

    Raises
    ------
    UsageError
        ``start`` is none of these.
    """
    if start in ("earliest", "latest"):
        return {"startingOffsets": start}
    if start == "ledger":
        return _from_ledger(topic, reached, partitions)
    try:
        moment = dt.datetime.fromisoformat(start)
    except ValueError:
        raise UsageError(
            f"--from {start}: expected ledger, earliest, latest or a time such as 2024-07-07T03:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return {
        "startingTimestamp": str(int(moment.timestamp() * 1000)),
        "startingOffsetsByTimestampStrategy": "latest",
    }


def _from_ledger(
    topic: str, reached: Mapping[TopicPartition, Reached], partitions: set[TopicPartition]
) -> dict[str, str]:
    wanted = matching(topic, partitions)
    if wanted.isdisjoint(reached):
        return {"startingOffsets": "earliest"}
    offsets = {at: reached[at].until if at in reached else _EARLIEST for at in wanted}
    return {"startingOffsets": format_offsets(offsets)}
