"""Offsets of a batch, and the proof that nothing before it was missed.

Spark's own ``failOnDataLoss`` also dies when a nightly topic that was read to its end expires, so
it is off, and loss is detected here, against the ledger and the broker, before a batch is sealed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from broker.errors import DataLoss
from broker.kafka.positions import TopicPartition, Watermarks, parse_offsets
from broker.tables.layout import checkpoint_folder
from broker.tables.storage import Storage


@dataclass(frozen=True)
class Span:
    """Offsets ``[start, until)`` of one partition that one batch covers."""

    start: int
    until: int


@dataclass(frozen=True)
class Reached:
    """Offset up to which the ledger says a partition was read, and where it ended then."""

    until: int
    end: int


@dataclass(frozen=True)
class BatchOffsets:
    """Offsets of one batch, from Spark's offset log.

    Attributes
    ----------
    spans
        What the batch covers of every partition. The log does not say where a partition begins
        that is met for the first time: its span starts at -1, the first offset that there is.
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
    spans = {at: Span(before.get(at, -1), end) for at, end in until.items()}
    return BatchOffsets(spans, frozenset(before.keys() - until.keys()), began)


def batch_time(storage: Storage, checkpoint: str, batch_id: int) -> dt.datetime:
    """Time of a batch, the same whenever it is run again: Spark fixes it in the offset log."""
    lines = storage.read_text(f"{checkpoint}/offsets/{batch_id}").strip().splitlines()
    milliseconds = int(json.loads(lines[1])["batchTimestampMs"])
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def _offset_log(text: str) -> dict[TopicPartition, int]:
    """Offsets in the last line of a Spark offset log file."""
    return parse_offsets(text.strip().splitlines()[-1])


def check_nothing_missed(
    batch: BatchOffsets,
    reached: Mapping[TopicPartition, Reached],
    watermarks: Mapping[TopicPartition, Watermarks],
    *,
    read_all: bool,
) -> None:
    """Make sure that a batch joins what was read before and is inside what the broker has.

    What comes before the offset where the stream began is no loss: that was chosen (``--from``).

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
    for at, span in batch.spans.items():
        last = reached.get(at)
        if last is not None and span.start > last.until and span.start != batch.began.get(at):
            raise _loss(at, last.until, span.start, "the batch starts after them")
        _check_span(at, span, watermarks.get(at), read_all)
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
    for at in gone & reached.keys():
        last = reached[at]
        if last.until < last.end:
            raise _loss(at, last.until, last.end, "the topic vanished before they were read")


def _check_span(at: TopicPartition, span: Span, kept: Watermarks | None, read_all: bool) -> None:
    if span.until < span.start:
        raise _loss(at, span.until, span.start, "the topic was emptied or created again")
    if read_all:
        return
    if kept is None:
        raise _loss(at, span.start, span.until, "the topic vanished while they were read")
    if kept.low > span.start:
        until = min(kept.low, span.until)
        raise _loss(at, span.start, until, "the broker no longer has them")
    if span.until > kept.high:
        raise _loss(at, kept.high, span.until, "the topic was emptied or created again")


def _loss(at: TopicPartition, start: int, until: int, why: str) -> DataLoss:
    return DataLoss(
        f"records are missing: topic {at.topic}, partition {at.partition}, offsets {start} to "
        f"{until - 1} ({why}). If they cannot be had again, remove the folder "
        f"{checkpoint_folder('stream2raw')} and start with --from earliest; the audit will name "
        "the gap"
    )
