"""``nightjar archive`` takes the nights of a range that the online tables have."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.commands.archive import _online_nights
from broker.errors import UsageError
from broker.nights import NightRange
from broker.tables.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Online tables with three nights."""
    for night in (20240709, 20240707, 20240801):
        (tmp_path / f"online/raw/night={night}").mkdir(parents=True)
    return Storage(str(tmp_path))


def test_a_range_is_the_nights_that_there_are_in_order(storage: Storage) -> None:
    assert _online_nights(storage, NightRange(20240701, 20240731)) == [20240707, 20240709]


def test_a_night_that_was_named_is_taken_in_any_case(storage: Storage) -> None:
    assert _online_nights(storage, NightRange(20240702, 20240702)) == [20240702]


def test_a_range_without_nights_is_a_usage_error(storage: Storage) -> None:
    with pytest.raises(UsageError, match=r"have no night of 20230101\.\.20231231"):
        _online_nights(storage, NightRange(20230101, 20231231))
