"""Readers find each row once, in the same order, and begin again when a night was replaced."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.errors import AnalysisException

from broker.nights import NightRange
from broker.tables import read_arrow
from broker.tables.files import files_of, online_batches, rows_by_batch
from broker.tables.read_arrow import (
    ALERT_ID,
    POSITION,
    Columns,
    batch_columns,
    first_row,
    read_files,
    rows_of_table,
)
from broker.tables.read_duckdb import connect, table_query
from broker.tables.read_spark import retry_action
from broker.tables.storage import Storage
from tests.builders import NIGHT, put_archive, put_online
from tests.science_rows import plain_rows

TAKEN, LOOKS_LIKE_A_NUMBER, LATE = "aaaaaaaa-000000", "1234567e-000003", "bbbbbbbb-000000"
EACH_ONCE = [
    (NIGHT, TAKEN, 1),
    (NIGHT, TAKEN, 2),
    (NIGHT, LOOKS_LIKE_A_NUMBER, 3),
    (NIGHT, LATE, 4),
    (NIGHT + 1, TAKEN, 5),
]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A closed night of which one batch is still online, two late batches, and a later night."""
    both = {NIGHT: plain_rows([1, 2]), NIGHT + 1: plain_rows([5])}
    put_online(tmp_path, TAKEN, both)
    put_archive(tmp_path, {TAKEN: plain_rows([1, 2])})
    put_online(tmp_path, LATE, plain_rows([4]))
    put_online(tmp_path, LOOKS_LIKE_A_NUMBER, plain_rows([3]))
    return Storage(str(tmp_path))


def plain(table: pa.Table) -> list[tuple[int, str, int]]:
    return [(row["night"], row["batch"], row["alert_id"]) for row in table.to_pylist()]


def test_arrow_reads_each_row_once_by_night_and_batch(storage: Storage) -> None:
    found = rows_of_table(storage, "science", NightRange(), {**ALERT_ID, **POSITION})
    assert plain(found) == EACH_ONCE
    assert found.schema.names == ["night", "batch", "alert_id", "topic", "partition", "offset"]
    assert found["offset"].to_pylist() == [1, 2, 3, 4, 5]


def test_duckdb_reads_the_same_rows(storage: Storage) -> None:
    query = table_query(files_of(storage, "science"))
    found = connect().sql(f"SELECT night, batch, alert_id FROM ({query})").fetchall()
    assert sorted(found) == sorted(EACH_ONCE)


def test_nights_are_chosen(storage: Storage) -> None:
    found = rows_of_table(storage, "science", NightRange(NIGHT + 1, NIGHT + 1), ALERT_ID)
    assert plain(found) == EACH_ONCE[-1:]


def test_a_table_without_files_has_its_columns(tmp_path: Path) -> None:
    found = rows_of_table(Storage(str(tmp_path)), "raw", NightRange(), ALERT_ID)
    assert found.num_rows == 0
    assert found.schema.names == ["night", "batch", "alert_id"]
    assert read_files(Storage(str(tmp_path)), [], ALERT_ID).schema.names == ["alert_id"]


def test_a_row_is_found_in_the_archive_and_online(storage: Storage) -> None:
    for alert_id, batch in ((2, TAKEN), (3, LOOKS_LIKE_A_NUMBER)):
        where = pc.field("alert_id") == alert_id
        found = first_row(storage, "science", NightRange(), where, lambda _: ["object_id", "batch"])
        assert found is not None
        assert found.to_pylist() == [{"object_id": f"ZTF{alert_id}", "batch": batch}]
    is_none = pc.field("alert_id") == 99
    assert first_row(storage, "science", NightRange(), is_none, lambda names: names) is None


def test_rows_of_an_online_batch_are_read_or_missed(storage: Storage) -> None:
    assert batch_columns(storage, "science", [NIGHT, NIGHT + 1], TAKEN, ALERT_ID)[
        "alert_id"
    ].to_pylist() == [1, 2, 5]
    with pytest.raises(FileNotFoundError, match=f"night={NIGHT + 1}/batch={LATE}"):
        batch_columns(storage, "science", [NIGHT, NIGHT + 1], LATE, ALERT_ID)
    assert online_batches(storage, "science", NIGHT + 1, [LATE, TAKEN]) == [TAKEN]
    assert rows_by_batch(storage, "science")[NIGHT, TAKEN] == 2


def test_arrow_lists_again_when_a_night_was_replaced_before_it_was_read(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = 0

    def list_then_replace(*given: object) -> object:
        nonlocal listed
        listed += 1
        files = files_of(*given)  # type: ignore[arg-type]
        if listed == 1:
            for old in (tmp_path / f"archive/science/night={NIGHT}").iterdir():
                old.unlink()
            put_archive(tmp_path, {TAKEN: plain_rows([1, 2]), LATE: plain_rows([4])}, "bbbbbbbb")
        return files

    monkeypatch.setattr(read_arrow, "files_of", list_then_replace)
    found = rows_of_table(storage, "science", NightRange(), ALERT_ID)
    assert sorted(plain(found)) == sorted(EACH_ONCE)
    assert listed == 2


def test_an_action_of_spark_is_run_again_when_a_file_is_gone() -> None:
    calls = 0

    def act() -> int:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise AnalysisException("[PATH_NOT_FOUND] Path does not exist: night=20240707")
        return calls

    assert retry_action(act) == 3


def test_other_errors_of_spark_are_not_retried() -> None:
    calls = 0

    def act() -> None:
        nonlocal calls
        calls += 1
        raise AnalysisException("[UNRESOLVED_COLUMN] no such column")

    with pytest.raises(AnalysisException, match="UNRESOLVED_COLUMN"):
        retry_action(act)
    assert calls == 1


def test_a_file_that_stays_away_ends_the_retries() -> None:
    def act() -> None:
        raise AnalysisException("[PATH_NOT_FOUND] Path does not exist: night=20240707")

    with pytest.raises(FileNotFoundError, match="PATH_NOT_FOUND"):
        retry_action(act)


def test_a_projection_is_cast_to_its_type(storage: Storage) -> None:
    columns: Columns = {"n": (pc.field("ingest", "offset"), pa.string())}
    found = rows_of_table(storage, "science", NightRange(NIGHT + 1, NIGHT + 1), columns)
    assert found["n"].to_pylist() == ["5"]
