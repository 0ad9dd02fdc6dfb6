"""The summary counts what filters sent, wherever the ledger keeps a batch's row."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from broker.query.summary import ScienceSummary
from broker.tables.layout import ledger_path
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import FilterCount, to_table
from broker.tables.storage import Storage
from tests.builders import put_online, row
from tests.science_rows import plain_rows


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """Two batches, of which a filter sent some."""
    storage = Storage(str(tmp_path))
    storage.write_text('where = "alert_id > 2"', "ledger/filters/old.toml")
    storage.write_text('where = "alert_id > 4"', "ledger/filters/new.toml")
    for key, digest, ids in (("a-000000", "old", [1, 2, 3]), ("a-000001", "new", [4, 5, 6])):
        put_online(tmp_path, key, plain_rows(ids))
        counts = (FilterCount("late_ones", digest, 1),)
        ledger_row = row(key, stage="distribute", by_filter=counts)
        storage.write_table(to_table(ledger_row), ledger_path("distribute", key))
    return tmp_path


def test_each_batch_is_counted_with_the_filter_as_it_was(sent: Path) -> None:
    ledger = Ledger(Storage(str(sent)))
    assert ScienceSummary(sent).by_filter() == [("late_ones", 3)]
    ledger.compact("distribute", ["a-000000"])
    assert ScienceSummary(sent).by_filter() == [("late_ones", 3)]
    ledger.compact("distribute", ["a-000001"])
    assert ScienceSummary(sent).by_filter() == [("late_ones", 3)]
    shutil.rmtree(sent / "ledger/folded")
    assert ScienceSummary(sent).by_filter() == []


def test_a_batch_that_is_compacted_meanwhile_counts_once(
    sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(Storage(str(sent)))
    read = ds.dataset

    def compact_first(*given: object, **named: object) -> object:
        monkeypatch.setattr(ds, "dataset", read)
        ledger.compact("distribute", ["a-000000"])
        return read(*given, **named)

    monkeypatch.setattr(ds, "dataset", compact_first)
    assert ScienceSummary(sent).by_filter() == [("late_ones", 3)]
