"""Old rows of the ledger are compacted when every stage is done with them, and only then."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

import broker.archive.compact_ledger as compacting
from broker.archive.compact_ledger import compact_ledger
from broker.tables.layout import ledger_path
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import to_table
from broker.tables.storage import Storage
from tests.builders import row

NOW = dt.datetime(2024, 8, 1, tzinfo=dt.UTC)
OLD = NOW - dt.timedelta(hours=25)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "_AT_LEAST", 3)
    monkeypatch.setattr(compacting, "_AT_MOST", 2)


def commit(storage: Storage, key: str, *stages: str, at: dt.datetime = OLD) -> None:
    """Commit a batch of some stages."""
    for stage in stages:
        path = ledger_path(stage, key)
        storage.write_table(to_table(row(key, stage=stage)), path)
        os.utime(storage.path(path), (at.timestamp(), at.timestamp()))


def finished(storage: Storage, number: int, name: str = "a", first: str = "raw") -> list[str]:
    """Commit batches of all stages, long ago; their keys."""
    keys = [f"{name}-{i:06d}" for i in range(number)]
    for key in keys:
        commit(storage, key, first, "science", "distribute")
    return keys


def test_what_is_finished_for_a_day_is_compacted(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    keys = [*finished(storage, 3), *finished(storage, 2, "p", "replay")]
    ledger = Ledger(storage)
    before = {stage: ledger.rows(stage) for stage in ("raw", "replay", "science", "distribute")}
    assert compact_ledger(storage, NOW) == 5
    assert {stage: ledger.rows(stage) for stage in before} == before
    assert not list(tmp_path.glob("ledger/stage=*/*.parquet"))
    assert ledger.keys("science") == sorted(keys)
    assert compact_ledger(storage, NOW) == 0


def test_what_a_stage_waits_for_or_has_just_done_keeps_its_file(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    finished(storage, 3)
    commit(storage, "w-000000", "raw")
    commit(storage, "w-000001", "raw", "science")
    commit(storage, "l-000000", "raw", "science")
    commit(storage, "l-000000", "distribute", at=NOW - dt.timedelta(hours=23))
    assert compact_ledger(storage, NOW) == 3
    left = {path.stem for path in tmp_path.glob("ledger/stage=raw/*.parquet")}
    assert left == {"w-000000", "w-000001", "l-000000"}
    ledger = Ledger(storage)
    assert [one.row.key for one in ledger.waiting("science", ("raw",))] == ["w-000000"]
    assert [one.row.key for one in ledger.waiting("distribute", ("science",))] == ["w-000001"]


def test_a_few_rows_are_left_alone(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    finished(storage, 2)
    assert compact_ledger(storage, NOW) == 0
    assert len(Ledger(storage).uncompacted("raw")) == 2
    assert not storage.exists("ledger/folded")


@pytest.mark.parametrize("lives", [0, 1, 2, 3, 4, 5, 6, 7, 8])
def test_killed_anywhere_nothing_is_lost_and_the_next_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: int
) -> None:
    storage = Storage(str(tmp_path))
    finished(storage, 3)
    before = {stage: Ledger(storage).rows(stage) for stage in ("raw", "science", "distribute")}
    delete = Storage.delete
    left = iter(range(lives))

    def mortal_delete(self: Storage, path: str) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        delete(self, path)

    monkeypatch.setattr(Storage, "delete", mortal_delete)
    with pytest.raises(KeyboardInterrupt):
        compact_ledger(storage, NOW)
    monkeypatch.setattr(Storage, "delete", delete)
    monkeypatch.setattr(compacting, "_AT_LEAST", 1)
    assert {stage: Ledger(storage).rows(stage) for stage in before} == before
    compact_ledger(storage, NOW)
    assert {stage: Ledger(storage).rows(stage) for stage in before} == before
    assert not list(tmp_path.glob("ledger/stage=*/*.parquet"))
