"""A backlog is read in batches of about one size, none of them a remainder."""

from __future__ import annotations

import pytest

from broker.ingest.offsets import Span, TopicPartition
from broker.pipeline.raw import max_offsets
from broker.settings import IngestSettings

PACKETS = [bytes(70_000)] * 100
CONTAINERS = IngestSettings(framing="container")
AIM = 7314  # of these packets make 512 MB


def batches(waiting: dict[TopicPartition, Span], wanted: IngestSettings) -> list[int]:
    """Sizes of the batches that Spark makes: it shares the limit out and rounds shares down."""
    limit = max_offsets(wanted, PACKETS, waiting)
    left = [span.until - span.start for span in waiting.values()]
    sizes = []
    while total := sum(left):
        shares = [min(size, int(limit * size / total) or 1) for size in left]
        left = [size - share for size, share in zip(left, shares, strict=True)]
        sizes.append(sum(shares))
    return sizes


def backlog(*messages: int) -> dict[TopicPartition, Span]:
    return {("ztf", number): Span(5, 5 + size) for number, size in enumerate(messages)}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((7503, 7480, 7509, 7508), 4),
        ((30_000,), 4),
        ((AIM,), 1),
        ((10_000,), 1),
        ((11_100,), 2),
        ((6000, 1, 5000, 3), 2),
        ((12,), 1),
    ],
)
def test_no_batch_is_a_remainder(messages: tuple[int, ...], expected: int) -> None:
    sizes = batches(backlog(*messages), CONTAINERS)
    assert len(sizes) == expected
    assert min(sizes) > 0.9 * max(sizes)
    assert max(sizes) < 1.5 * AIM + len(messages)


def test_the_settings_limit_wins() -> None:
    assert (
        max_offsets(
            IngestSettings(framing="container", max_offsets_per_batch=250), PACKETS, backlog(30_000)
        )
        == 250
    )


def test_without_a_sample_packets_are_taken_to_be_ztf_s() -> None:
    assert max_offsets(CONTAINERS, [], {}) == 512_000_000 // 75_000
