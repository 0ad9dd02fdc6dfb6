"""The line about a distributed batch stays a line, however many filters there are."""

from __future__ import annotations

import pytest

from broker.pipeline.distribute import log_distributed
from broker.tables.ledger_row import FilterCount
from tests.builders import row


def line(caplog: pytest.LogCaptureFixture, *matched: int) -> str:
    counts = tuple(FilterCount(f"f{n}", "d", count) for n, count in enumerate(matched))
    batch = row("a-000000", stage="distribute", read=20, written=sum(matched), by_filter=counts)
    with caplog.at_level("INFO"):
        log_distributed(batch)
    return caplog.messages[-1]


def test_the_filters_that_sent_most_are_named_and_the_others_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert line(caplog, 1, 0, 3) == "distribute a-000000: read 20, sent 4 (f2 3, f0 1); 1.50 s"
    assert line(caplog, 0) == "distribute a-000000: read 20, sent 0; 1.50 s"
    names = ", ".join(f"f{n} {n}" for n in range(12, 2, -1))
    assert line(caplog, *range(13)) == (
        f"distribute a-000000: read 20, sent 78 ({names} and 2 more); 1.50 s"
    )
