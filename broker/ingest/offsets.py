"""Where in Kafka a batch lies, and the proof that nothing before it was missed.

Spark's own ``failOnDataLoss`` also dies when a nightly topic that was read to its end expires, so
it is off, and loss is detected here, against the ledger and the broker, before a batch is sealed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from broker.errors import DataLoss, FatalError
from broker.kafka.positions import TopicPartition
from broker.tables.layout import checkpoint_folder
from broker.tables.storage import Storage


@dataclass(frozen=True)
class Span:
    """Offsets ``[start, until)`` of one partition that one batch covers."""

    start: int
    until: int


@dataclass(frozen=True)
class Watermarks:
    """First offset that the broker still has, and the one after its last."""

    low: int
    high: int


@dataclass(frozen=True)
class Reached:
    """How far the ledger says a partition has been read, and where it ended then."""

    until: int
    end: int


@dataclass(frozen=True)
class BatchOffsets:
    """What Spark's offset log says of one batch.

    Attributes
    ----------
    spans
        What the batch covers of every partition. The log does not tell where a partition met for
        the first time begins: its span starts at -1, meaning the first offset that the broker has.
    gone
        Partitions of the batch before that the broker no longer had.
    began
        Where the checkpoint's stream began: at the end of the ledger, or where the operator chose.
    """

    spans: Mapping[TopicPartition, Span]
    gone: frozenset[TopicPartition] = frozenset()
    began: Mapping[TopicPartition, int] = field(default_factory=dict)


def batch_offsets(storage: Storage, checkpoint: str, batch_id: int) -> BatchOffsets:
    """Offsets of one batch, from Spark's offset log."""
    until = _offset_log(storage.read_text(f"{checkpoint}/offsets/{batch_id}"))
    began = before = _offset_log(storage.read_text(f"{checkpoint}/sources/0/0"))
    if batch_id > 0:
        before = _offset_log(storage.read_text(f"{checkpoint}/offsets/{batch_id - 1}"))
    spans = {place: Span(before.get(place, -1), end) for place, end in until.items()}
    return BatchOffsets(spans, frozenset(before.keys() - until.keys()), began)


def batch_time(storage: Storage, checkpoint: str, batch_id: int) -> dt.datetime:
    """Time of a batch, the same whenever it is run again: Spark fixes it in the offset log."""
    lines = storage.read_text(f"{checkpoint}/offsets/{batch_id}").strip().splitlines()
    milliseconds = int(json.loads(lines[1])["batchTimestampMs"])
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def _offset_log(text: str) -> dict[TopicPartition, int]:
    """Offsets in the last line of a Spark offset log file."""
    offsets: dict[str, dict[str, int]] = json.loads(text.strip().splitlines()[-1])
    return {
        TopicPartition(topic, int(partition)): offset
        for topic, partitions in offsets.items()
        for partition, offset in partitions.items()
    }


class InputCluster:
    """What an input cluster says of its topics.

    Parameters
    ----------
    options
        confluent-kafka client options.
    patience_seconds
        Longest wait for an answer.
    """

    def __init__(self, options: Mapping[str, str], patience_seconds: float = 30.0) -> None:
        self._patience = patience_seconds
        self._servers = options["bootstrap.servers"]
        self._admin = AdminClient({**options, "log_level": 0})

    def partitions(self) -> set[TopicPartition]:
        """All partitions of all topics.

        Raises
        ------
        FatalError
            The cluster does not answer.
        """
        try:
            topics = self._admin.list_topics(timeout=self._patience).topics
        except KafkaException as error:
            raise self._silent(error) from None
        return {
            TopicPartition(name, number)
            for name, topic in topics.items()
            for number in topic.partitions
        }

    def watermarks(self, places: set[TopicPartition]) -> dict[TopicPartition, Watermarks]:
        """Watermarks of those of the partitions that still exist."""
        wanted = places & self.partitions()
        low = self._offsets(wanted, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        high = self._offsets(wanted, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {p: Watermarks(low[p], high[p]) for p in wanted if p in low and p in high}

    def _offsets(self, places: set[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        if not places:
            return {}
        request = {confluent_kafka.TopicPartition(*place): spec for place in places}
        futures = self._admin.list_offsets(request, request_timeout=self._patience)
        found = {}
        for at, future in futures.items():
            try:
                found[TopicPartition(at.topic, at.partition)] = int(future.result().offset)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._silent(error) from None
        return found

    def _silent(self, error: KafkaException) -> FatalError:
        return FatalError(
            f"Kafka at {self._servers} does not answer any more ({error.args[0].str()}); start "
            "again when it does"
        )


def check_nothing_missed(
    batch: BatchOffsets,
    reached: Mapping[TopicPartition, Reached],
    watermarks: Mapping[TopicPartition, Watermarks],
    *,
    read_all: bool,
) -> None:
    """Make sure that a batch joins what was read before and lies inside what the broker has.

    What lies before the place where the stream began is no loss: that was chosen (``--from``).

    Parameters
    ----------
    batch
        Its offsets.
    reached
        How far the ledger has come.
    watermarks
        What the broker has, asked after the batch was read.
    read_all
        Whether the batch has as many records as its spans have offsets; then nothing expired
        while it was read, whatever the broker says now.

    Raises
    ------
    DataLoss
        Names topic, partition and the missing range.
    """
    for place, span in batch.spans.items():
        last = reached.get(place)
        if last is not None and span.start > last.until and span.start != batch.began.get(place):
            raise _loss(place, last.until, span.start, "the batch starts after them")
        _check_span(place, span, watermarks.get(place), read_all)
    check_none_vanished(batch.gone - watermarks.keys(), reached)


def check_none_vanished(
    gone: Set[TopicPartition], reached: Mapping[TopicPartition, Reached]
) -> None:
    """Make sure that partitions which are gone had been read to their end.

    Raises
    ------
    DataLoss
        Names topic, partition and the missing range.
    """
    for place in gone & reached.keys():
        last = reached[place]
        if last.until < last.end:
            raise _loss(place, last.until, last.end, "the topic vanished before they were read")


def _check_span(place: TopicPartition, span: Span, kept: Watermarks | None, read_all: bool) -> None:
    if span.until < span.start:
        raise _loss(place, span.until, span.start, "the topic was emptied or created anew")
    if read_all:
        return
    if kept is None:
        raise _loss(place, span.start, span.until, "the topic vanished while they were read")
    if kept.low > span.start:
        until = min(kept.low, span.until)
        raise _loss(place, span.start, until, "the broker no longer has them")
    if span.until > kept.high:
        raise _loss(place, kept.high, span.until, "the topic was emptied or created anew")


def _loss(place: TopicPartition, start: int, until: int, why: str) -> DataLoss:
    return DataLoss(
        f"records are missing: topic {place[0]}, partition {place[1]}, offsets {start} to "
        f"{until - 1} ({why}). If they cannot be had again, remove the folder "
        f"{checkpoint_folder('stream2raw')} and start with --from earliest; the audit will name "
        "the gap"
    )
