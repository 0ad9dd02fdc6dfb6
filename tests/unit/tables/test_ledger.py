"""The ledger gives back what was written, and tells how far each partition has been read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import LedgerError
from broker.tables.layout import ledger_path
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import (
    FilterCount,
    LedgerRow,
    ModuleCount,
    NightCount,
    OffsetRange,
    ReasonCount,
    from_table,
    to_table,
)
from broker.tables.ledger_schema import LEDGER_SCHEMA
from broker.tables.storage import Storage
from tests.builders import row

LONG = st.integers(0, 2**63 - 1)
NIGHT = st.integers(0, 2**31 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIME = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))
SECONDS = st.floats(0, 1e6)
# Those of the rows that are compacted while somebody reads.
KEYS = ["a-000000", "a-000001"]


def several(kind: type, *columns: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(st.builds(kind, *columns), max_size=3).map(tuple)


ROWS = st.builds(
    LedgerRow,
    survey=TEXT,
    stage=TEXT,
    key=TEXT,
    batch_time=TIME,
    seconds=SECONDS,
    read=LONG,
    written=LONG,
    upstream=st.none() | TEXT,
    quarantined=LONG,
    repeats=LONG,
    repeats_that_differ=LONG,
    bytes_read=LONG,
    offsets=several(OffsetRange, TEXT, NIGHT, LONG, LONG, LONG),
    by_night=several(NightCount, NIGHT, LONG, LONG, LONG, LONG),
    by_reason=several(ReasonCount, TEXT, LONG),
    by_filter=several(FilterCount, TEXT, TEXT, LONG),
    by_module=several(ModuleCount, TEXT, TEXT, SECONDS, LONG),
)


@given(ROWS)
def test_a_row_comes_back_as_it_was_written(one: LedgerRow) -> None:
    assert from_table(to_table(one)) == [one]


def test_every_column_of_the_contract_is_there() -> None:
    names = [field.name for field in dataclasses.fields(LedgerRow)]
    assert sorted(LEDGER_SCHEMA.names) == sorted(names)
    span = LEDGER_SCHEMA.field("offsets").type.value_type
    assert [field.name for field in span][:4] == ["topic", "partition", "from", "until"]


def keep(storage: Storage, *rows: LedgerRow) -> None:
    for one in rows:
        storage.write_table(to_table(one), ledger_path(one.stage, one.key))


def test_rows_come_by_time_then_key_and_by_stage(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    later = dt.datetime(2024, 7, 8, tzinfo=dt.UTC)
    keep(storage, row("a-000001", batch_time=later), row("b-000000"), row("a-000000"))
    keep(storage, row("a-000000", stage="science", upstream="a-000000"))
    ledger = Ledger(storage)
    assert ledger.keys("raw") == ["a-000000", "a-000001", "b-000000"]
    assert [one.key for one in ledger.rows("raw")] == ["a-000000", "b-000000", "a-000001"]
    assert ledger.row("science", "a-000000").upstream == "a-000000"
    assert ledger.rows("distribute") == []
    assert ledger.has("raw", "b-000000")
    assert not ledger.has("raw", "b-000001")


def test_a_stage_waits_for_what_any_before_it_has_done_and_it_has_not(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    keep(storage, row("a-000000"), row("a-000001"), row("r-000000", stage="replay"))
    keep(storage, row("a-000000", stage="science"))
    for at, path in enumerate(sorted(tmp_path.glob("ledger/stage=*/*.parquet"))):
        os.utime(path, (at, at))
    (tmp_path / "ledger/stage=raw/.a-000002.parquet").write_bytes(b"not a row")
    ledger = Ledger(storage)
    assert ledger.commit_times("raw") == {"a-000000": 0.0, "a-000001": 1.0}
    left = ledger.waiting("science", ("raw", "replay"))
    assert [(one.row.stage, one.row.key, one.at) for one in left] == [
        ("raw", "a-000001", 1.0),
        ("replay", "r-000000", 2.0),
    ]
    assert ledger.waiting("raw", ()) == []


def test_a_reader_never_sees_a_half_written_row() -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        (Path(folder) / "ledger/stage=raw").mkdir(parents=True)
        Path(storage._temporary("ledger/stage=raw/a-000000.parquet")).write_bytes(b"PAR1cut")
        assert Ledger(storage).rows("raw") == []


def test_a_file_with_more_than_one_row_is_refused(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    two = pa.concat_tables([to_table(row("a-000000")), to_table(row("a-000001"))])
    storage.write_table(two, ledger_path("raw", "a-000000"))
    with pytest.raises(LedgerError, match=r"a-000000\.parquet holds rows of the batches .*-000001"):
        Ledger(storage).rows("raw")


def test_other_readers_find_the_stage_in_the_path_and_in_the_row_alike(tmp_path: Path) -> None:
    keep(Storage(str(tmp_path)), row("a-000000"))
    table = pq.read_table(tmp_path / "ledger", partitioning=None)
    assert table.column("stage").to_pylist() == ["raw"]


def test_a_compacted_row_is_found_as_before_though_its_file_has_gone(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    keys = ["a-000000", "a-000001", "a-000002"]
    ledger = Ledger(storage)
    assert not list(ledger.offsets("raw"))
    keep(storage, *(row(key, 6 * number) for number, key in enumerate(keys)))
    keep(storage, row(keys[0], stage="science"))
    before = ledger.rows("raw")
    ledger.compact("raw", keys[:2])
    assert [path.name for path in tmp_path.glob("ledger/stage=raw/*")] == ["a-000002.parquet"]
    for one in (ledger, Ledger(storage)):
        assert one.rows("raw") == before
        assert one.keys("raw") == keys
        assert one.row("raw", "a-000001") == row("a-000001", 6)
        assert one.has("raw", "a-000000")
        assert not one.has("raw", "a-000003")
        assert [left.row.key for left in one.waiting("science", ("raw",))] == keys[1:]
        assert one.uncompacted("raw").keys() == {"a-000002"}
    ended = row("a-000000").batch_time.timestamp() + row("a-000000").seconds
    assert ledger.commit_times("raw")["a-000000"] == ended
    assert {span.start for span in ledger.offsets("raw")} == {0, 6, 12}
    assert not ledger.has("science", "a-000001")
    ledger.compact("raw", keys[2:])
    assert [span.start for span in ledger.offsets("raw")] == [0, 6, 12]


def test_folding_that_was_killed_doubles_no_row_and_is_finished_by_the_next(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    rows = [row("a-000000"), row("a-000001")]
    keep(storage, *rows)
    ledger = Ledger(storage)
    ledger.compact("raw", ["a-000000", "a-000001"])
    keep(storage, rows[1])  # as if it had been killed before the second file was removed
    assert ledger.rows("raw") == rows
    ledger.compact("raw", ["a-000001"])
    assert ledger.rows("raw") == rows
    assert not list(tmp_path.glob("ledger/stage=raw/*"))
    assert len(list(tmp_path.glob("ledger/folded/stage=raw/*"))) == 1


READS: dict[str, Callable[[Ledger], object]] = {
    "rows": lambda ledger: ledger.rows("raw"),
    "keys": lambda ledger: ledger.keys("raw"),
    "row": lambda ledger: ledger.row("raw", "a-000001"),
    "offsets": lambda ledger: list(ledger.offsets("raw")),
    "has": lambda ledger: ledger.has("raw", "a-000001"),
}
# Steps of a reader, of the ledger or of its compacted rows.
STEPS = ("uncompacted", "_own_table", "_compacted.times", "_compacted.has", "_compacted.rows")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_reader_finds_all_when_rows_are_compacted_before_its_eyes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    storage = Storage(str(tmp_path))
    for name, read in READS.items():
        keep(storage, *(row(f"a-{number:06d}", 6 * number) for number in range(3)))
        expected = read(Ledger(storage))
        ledger, other = Ledger(storage), Ledger(storage)
        with monkeypatch.context() as patch:
            compact_at(patch, ledger, step, after, partial(other.compact, "raw", KEYS))
            assert read(ledger) == expected, name
        shutil.rmtree(tmp_path / "ledger")


def compact_at(
    patch: pytest.MonkeyPatch, ledger: Ledger, step: str, after: bool, compact: Callable[[], None]
) -> None:
    """Fold once, before or after a step of a reader."""
    whose = ledger._compacted if step.startswith("_compacted.") else ledger
    name, pending = step.rpartition(".")[2], [compact]
    do = getattr(whose, name)

    def step_and_fold(*given: Any) -> Any:
        if pending and not after:
            pending.pop()()
        found = do(*given)
        if pending and after:
            pending.pop()()
        return found

    patch.setattr(whose, name, step_and_fold)


def test_a_row_that_is_nowhere_is_named(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    keep(storage, row("a-000000"))
    with pytest.raises(FileNotFoundError, match="a-000001"):
        Ledger(storage).some_rows("raw", ["a-000000", "a-000001"])


def test_a_row_under_a_wrong_name_is_not_compacted(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    keep(storage, row("a-000000"))
    storage.write_table(to_table(row("a-000000")), ledger_path("raw", "a-000001"))
    with pytest.raises(
        LedgerError, match=r"a-000001\.parquet holds rows .* \['a-000000'\] instead"
    ):
        Ledger(storage).compact("raw", ["a-000000", "a-000001"])
    assert Ledger(storage).uncompacted("raw").keys() == {"a-000000", "a-000001"}
