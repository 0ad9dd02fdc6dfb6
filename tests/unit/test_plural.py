"""Counts in sentences have their nouns in the right number."""

from __future__ import annotations

import pytest

from broker.plural import counted


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "batch", "1 batch"),
        (0, "batch", "0 batches"),
        (1234, "alert", "1,234 alerts"),
        (2, "query", "2 queries"),
        (2, "day", "2 days"),
        (2, "science row", "2 science rows"),
    ],
)
def test_a_count_and_its_noun_agree(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text
