"""Ids of science rows: which a night has, and in which batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from broker.tables.science_ids import ScienceIds
from broker.tables.storage import Storage
from tests.builders import write_batches
from tests.science_rows import FIRST_ID, NIGHTS, science_rows

NIGHT = NIGHTS[0]  # of the even numbers


def ids_of(numbers: range) -> list[int]:
    return [FIRST_ID + number * 1009 for number in numbers]


def test_each_id_is_known_by_its_batch(tmp_path: Path) -> None:
    batches = [science_rows("ztf", range(0, 10)), science_rows("ztf", range(10, 30))]
    first, second = write_batches(tmp_path, "ztf", batches)
    ids = ScienceIds(Storage(str(tmp_path / "ztf")))
    assert ids.of(NIGHT).tolist() == ids_of(range(0, 30, 2))
    asked = np.array([*ids_of(range(8, 14, 2)), 1, *ids_of(range(5, 6)), 2**63 - 1])
    assert ids.contains(NIGHT, asked).tolist() == [True] * 3 + [False] * 3
    assert ids.batches_of(NIGHT, asked) == [first, second, second, None, None, None]


def test_a_batch_added_is_as_one_read(tmp_path: Path) -> None:
    ids = ScienceIds(Storage(str(tmp_path / "ztf")))
    assert ids.contains(NIGHT, np.array([FIRST_ID])).tolist() == [False]
    keys = []
    for numbers in (range(20, 40), range(0, 20), range(40, 50)):
        (key,) = write_batches(tmp_path, "ztf", [science_rows("ztf", numbers)], first=numbers.start)
        keys.append(key)
        ids.add(NIGHT, np.array(ids_of(numbers)[::2])[::-1], key)
    read = ScienceIds(Storage(str(tmp_path / "ztf")))
    assert ids.of(NIGHT).tolist() == read.of(NIGHT).tolist() == ids_of(range(0, 50, 2))
    everything = ids.of(NIGHT)
    expected = [keys[1]] * 10 + [keys[0]] * 10 + [keys[2]] * 5
    assert ids.batches_of(NIGHT, everything) == read.batches_of(NIGHT, everything) == expected
