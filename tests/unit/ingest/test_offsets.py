"""Loss is detected against the ledger and the broker, and named; expiry after reading is none."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from broker.errors import DataLoss
from broker.ingest.offsets import (
    BatchOffsets,
    Reached,
    Span,
    batch_offsets,
    batch_time,
    check_none_vanished,
    check_nothing_missed,
)
from broker.kafka.positions import TopicPartition, Watermarks
from broker.tables.storage import Storage

A = TopicPartition("alerts", 0)
B = TopicPartition("alerts", 1)


def check(
    spans: dict[TopicPartition, Span],
    reached: dict[TopicPartition, Reached],
    kept: dict[TopicPartition, Watermarks],
    *,
    read_all: bool = True,
    gone: frozenset[TopicPartition] = frozenset(),
    began: dict[TopicPartition, int] | None = None,
) -> None:
    batch = BatchOffsets(spans, gone, began or {})
    check_nothing_missed(batch, reached, kept, read_all=read_all)


def test_a_batch_that_joins_the_last_one_is_sound() -> None:
    check(
        {A: Span(10, 20), B: Span(0, 5)},
        {A: Reached(10, 30)},
        {A: Watermarks(0, 30), B: Watermarks(0, 5)},
    )


def test_a_batch_that_reads_again_is_sound() -> None:
    check({A: Span(5, 20)}, {A: Reached(10, 30)}, {A: Watermarks(0, 30)})


def test_a_gap_to_the_last_batch_is_a_loss_of_what_lies_between() -> None:
    with pytest.raises(DataLoss) as caught:
        check({A: Span(15, 20)}, {A: Reached(10, 30)}, {A: Watermarks(0, 30)})
    assert "topic alerts, partition 0, offsets 10 to 14" in str(caught.value)
    assert "--from earliest" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_gap_is_allowed_where_the_stream_began_after_it() -> None:
    # Whatever the batch's number: a partition may stay empty long after its stream began.
    began = {A: 15}
    check({A: Span(15, 20)}, {A: Reached(10, 30)}, {A: Watermarks(0, 30)}, began=began)
    check({A: Span(15, 15)}, {A: Reached(10, 30)}, {A: Watermarks(15, 30)}, began=began)


def test_a_gap_after_where_the_stream_began_is_a_loss() -> None:
    with pytest.raises(DataLoss, match="offsets 20 to 24 "):
        check({A: Span(25, 30)}, {A: Reached(20, 30)}, {A: Watermarks(0, 30)}, began={A: 15})


def test_records_that_expired_before_they_were_read_are_a_loss() -> None:
    with pytest.raises(DataLoss, match=r"offsets 10 to 12 \(the broker no longer has them"):
        check({A: Span(10, 20)}, {A: Reached(10, 30)}, {A: Watermarks(13, 30)}, read_all=False)


def test_no_more_is_named_than_the_batch_wanted() -> None:
    with pytest.raises(DataLoss, match="offsets 10 to 19 "):
        check({A: Span(10, 20)}, {A: Reached(10, 30)}, {A: Watermarks(25, 30)}, read_all=False)


def test_records_that_expired_after_they_were_read_are_none() -> None:
    check({A: Span(10, 20)}, {A: Reached(10, 30)}, {A: Watermarks(25, 30)})


def test_fewer_records_than_offsets_are_no_loss_while_the_broker_has_the_range() -> None:
    # Control records of transactions, and compaction.
    check({A: Span(10, 20)}, {A: Reached(10, 30)}, {A: Watermarks(0, 20)}, read_all=False)


def test_a_topic_created_again_with_less_is_a_loss() -> None:
    with pytest.raises(DataLoss, match=r"offsets 5 to 29 \(the topic was emptied or created again"):
        check({A: Span(30, 5)}, {A: Reached(30, 30)}, {A: Watermarks(0, 5)}, read_all=False)
    with pytest.raises(
        DataLoss, match=r"offsets 12 to 19 \(the topic was emptied or created again"
    ):
        check({A: Span(10, 20)}, {A: Reached(10, 20)}, {A: Watermarks(0, 12)}, read_all=False)


def test_a_topic_that_vanishes_in_mid_batch_is_a_loss_of_the_batch() -> None:
    with pytest.raises(DataLoss, match=r"10 to 19 \(the topic vanished while they were read"):
        check({A: Span(10, 20)}, {A: Reached(10, 20)}, {}, read_all=False)


def test_a_topic_that_vanished_unread_is_a_loss_even_when_the_batch_is_of_another() -> None:
    with pytest.raises(DataLoss, match=r"offsets 10 to 29 \(the topic vanished before they were"):
        check({B: Span(0, 5)}, {A: Reached(10, 30)}, {B: Watermarks(0, 5)}, gone=frozenset({A}))


def test_a_topic_that_vanished_after_its_end_was_read_is_none() -> None:
    check({B: Span(0, 5)}, {A: Reached(30, 30)}, {B: Watermarks(0, 5)}, gone=frozenset({A}))


def test_a_topic_whose_loss_was_accepted_is_never_asked_for_again() -> None:
    # The stream began anew after it was gone.
    check({B: Span(0, 5)}, {A: Reached(10, 30)}, {B: Watermarks(0, 5)})


def test_without_a_checkpoint_the_whole_ledger_is_asked() -> None:
    reached = {A: Reached(10, 30), B: Reached(5, 5)}
    check_none_vanished(reached.keys() - {A}, reached)
    with pytest.raises(DataLoss, match="topic alerts, partition 0, offsets 10 to 29 "):
        check_none_vanished(reached.keys(), reached)


def test_every_partition_is_checked() -> None:
    with pytest.raises(DataLoss, match="partition 1, offsets 3 to 4"):
        check(
            {A: Span(10, 20), B: Span(5, 9)},
            {A: Reached(10, 20), B: Reached(3, 9)},
            {A: Watermarks(0, 20), B: Watermarks(0, 9)},
        )


def offset_log(offsets: dict[str, dict[str, int]], milliseconds: int = 0) -> str:
    """A file of Spark's offset log, as Spark 4 writes it."""
    metadata = {"batchWatermarkMs": 0, "batchTimestampMs": milliseconds, "conf": {}}
    return f"v1\n{json.dumps(metadata)}\n{json.dumps(offsets)}"


def test_a_batch_lies_between_its_offsets_and_those_before(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_text('v1\n{"alerts":{"0":3}}', "ck/sources/0/0")
    storage.write_text(offset_log({"alerts": {"0": 10}}), "ck/offsets/0")
    storage.write_text(offset_log({"alerts": {"0": 20, "1": 5}, "late": {"0": 7}}), "ck/offsets/1")
    storage.write_text(offset_log({"alerts": {"0": 20, "1": 9}}), "ck/offsets/2")
    assert batch_offsets(storage, "ck", 0) == BatchOffsets({A: Span(3, 10)}, began={A: 3})
    # Where partitions that are met for the first time begin, Spark does not write down.
    late = ("late", 0)
    assert batch_offsets(storage, "ck", 1) == BatchOffsets(
        {A: Span(10, 20), B: Span(-1, 5), late: Span(-1, 7)}, began={A: 3}
    )
    assert batch_offsets(storage, "ck", 2) == BatchOffsets(
        {A: Span(20, 20), B: Span(5, 9)}, gone=frozenset({late}), began={A: 3}
    )


def test_a_batch_has_the_time_that_spark_fixed_for_it(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_text(offset_log({}, 1_720_324_800_123), "ck/offsets/4")
    expected = dt.datetime(2024, 7, 7, 4, 0, 0, 123_000, tzinfo=dt.UTC)
    assert batch_time(storage, "ck", 4) == expected
