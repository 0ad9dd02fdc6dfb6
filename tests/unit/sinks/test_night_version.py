"""A night is replaced or added to: whatever dies wherever, readers see one state or the other."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.errors import LedgerError
from broker.sinks.night_version import NightVersion, finish, recover, remove
from broker.tables.closed_nights import ClosedNight, ClosedNights, Content, Kind, TakenBatch
from broker.tables.files import archived_batches, files_of
from broker.tables.layout import ARCHIVE
from broker.tables.storage import Storage
from tests.unit.sinks.mortal import Killed, MortalStorage

NIGHT = 20240707
AT = dt.datetime(2024, 7, 8, tzinfo=dt.UTC)
Rows = dict[str, list[int]]
"""Batch → alert ids."""
FIRST: Rows = {"a": [1, 2, 3], "b": [4]}
LATE: Rows = {"c": [5]}
ALL: Rows = FIRST | LATE


class WithoutExchange(MortalStorage):
    """A file system that can't exchange folders, such as HDFS."""

    def exchange(self, one: str, other: str) -> bool:
        return False


def state(key: str, kind: Kind, rows: Rows, attempt: NightVersion) -> ClosedNight:
    batches = tuple(
        TakenBatch(batch, Content(len(ids), sum(ids)), Content(len(ids), sum(ids)), AT)
        for batch, ids in rows.items()
    )
    return ClosedNight(
        "ztf", NIGHT, key, attempt.version, kind, batches, 0, ("slope 1.0",), AT, 1.5
    )


def stage(attempt: NightVersion, rows: Rows, tables: Sequence[str]) -> None:
    """Stage files as Spark writes them: each names the batches of its version in its footer."""
    fields = {"fields": [{"name": "batch", "metadata": {"batches": sorted(rows)}}]}
    metadata = {"org.apache.spark.sql.parquet.row.metadata": json.dumps(fields)}
    pairs = [(batch, id_) for batch, ids in rows.items() for id_ in ids]
    table = pa.table({"alert_id": [id_ for _, id_ in pairs], "batch": [b for b, _ in pairs]})
    table = table.replace_schema_metadata(metadata)
    for name in tables:
        attempt.storage.make_folder(attempt.table_folder(name))
        path = f"{attempt.table_folder(name)}/{attempt.version}-00000.parquet"
        pq.write_table(table, attempt.storage.path(path))


def write(storage: Storage, kind: Kind, rows: Rows, tables: Sequence[str] = tuple(ARCHIVE)) -> None:
    """One start of the job: nothing is done when the ledger says that it is done."""
    recover(storage)
    before = ClosedNights(storage).current(NIGHT)
    if before is not None and before.keys >= set(rows) and kind != "reprocessed":
        return
    attempt = NightVersion(storage, NIGHT, ClosedNights(storage).next_key(NIGHT))
    stage(attempt, rows, tables)
    named = ALL if kind in ("late", "reprocessed") else rows
    finish(attempt, state(attempt.key, kind, named, attempt))


def seen(root: Path, table: str) -> list[int]:
    """Ids that DuckDB, which reads hidden folders too, finds in the archive."""
    files = [str(path) for path in (root / "archive" / table).rglob("*.parquet")]
    query = "SELECT alert_id FROM read_parquet(?)"
    rows = duckdb.execute(query, [files]).fetchall() if files else []
    return sorted(id_ for (id_,) in rows)


def ids(rows: Rows) -> list[int]:
    return sorted(id_ for some in rows.values() for id_ in some)


CHANGES: dict[Kind, Rows] = {"late": LATE, "merged": ALL, "reprocessed": ALL}


@pytest.mark.parametrize("make", [MortalStorage, WithoutExchange])
@pytest.mark.parametrize("kind", CHANGES)
def test_whatever_dies_at_any_step_the_next_start_makes_the_night_whole(
    tmp_path: Path, kind: Kind, make: Callable[[str, int | None], MortalStorage]
) -> None:
    tables = ["science"] if kind == "reprocessed" else ["raw", "science"]
    first = ALL if kind == "reprocessed" else FIRST

    def begin(root: Path) -> None:
        write(Storage(str(root)), "closed", first)

    begin(tmp_path / "measure")
    measured = make(str(tmp_path / "measure"), None)
    write(measured, kind, CHANGES[kind], tables)
    assert measured.steps > 8
    for lives in range(measured.steps):
        root = tmp_path / str(lives)
        begin(root)
        with pytest.raises(Killed):
            write(make(str(root), lives), kind, CHANGES[kind], tables)
        for table in ARCHIVE:
            allowed = [ids(first), ids(ALL)]
            if make is WithoutExchange:
                allowed.append([])  # for the moment between two renames
            assert seen(root, table) in allowed, lives
        storage = Storage(str(root))
        write(storage, kind, CHANGES[kind], tables)
        now = ClosedNights(storage).current(NIGHT)
        assert now is not None
        assert now.keys == set(ALL)
        for table in ARCHIVE:
            assert seen(root, table) == ids(ALL), lives
            assert archived_batches(storage, table, NIGHT) == set(ALL)
        assert storage.names("staging/archive") == [], lives


def test_whatever_dies_at_the_first_closing_the_next_start_closes_the_night(tmp_path: Path) -> None:
    measured = MortalStorage(str(tmp_path / "measure"), None)
    write(measured, "closed", FIRST)
    for lives in range(measured.steps):
        root = tmp_path / str(lives)
        with pytest.raises(Killed):
            write(MortalStorage(str(root), lives), "closed", FIRST)
        write(Storage(str(root)), "closed", FIRST)
        assert seen(root, "raw") == seen(root, "science") == ids(FIRST), lives
        assert Storage(str(root)).names("staging/archive") == [], lives


def test_what_is_replaced_is_kept(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    write(storage, "closed", FIRST)
    write(storage, "merged", ALL)
    kept = pq.read_table(tmp_path / f"versions/raw/night={NIGHT}/state=000001", partitioning=None)
    assert sorted(kept["alert_id"].to_pylist()) == ids(FIRST)


def test_a_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    attempt = NightVersion(storage, NIGHT, "000001")
    stage(attempt, FIRST, ["raw", "science"])
    row = state("000001", "closed", FIRST, attempt)
    finish(attempt, row)
    assert ClosedNights(storage).current(NIGHT) == row
    assert ClosedNights(storage).nights() == [NIGHT]
    assert row.raw == Content(4, 10)


def test_an_online_batch_that_the_archive_has_is_read_once(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    write(storage, "closed", FIRST)
    for batch in ("a", "c"):
        folder = tmp_path / f"online/raw/night={NIGHT}/batch={batch}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"alert_id": ALL[batch]}), folder / "part-0.parquet")
    files = files_of(storage, "raw")
    assert list(files.online) == [(NIGHT, "c")]
    assert list(files.archived) == files.nights == [NIGHT]


def test_a_strangers_file_in_the_archive_is_named(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    folder = tmp_path / f"archive/raw/night={NIGHT}"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"alert_id": [1]}), folder / "mine.parquet")
    with pytest.raises(LedgerError, match=r"mine\.parquet does not say which batches"):
        archived_batches(storage, "raw", NIGHT)


def test_a_removed_folder_is_gone_at_one_stroke(tmp_path: Path) -> None:
    def make(root: Path) -> list[str]:
        folders = [f"online/raw/night={NIGHT}/batch={batch}" for batch in "ab"]
        for folder in folders:
            (root / folder).mkdir(parents=True)
            for name in ("one", "two"):
                (root / folder / name).touch()
        return folders

    folders = make(tmp_path / "measure")
    measured = MortalStorage(str(tmp_path / "measure"), None)
    remove(measured, folders)
    for lives in range(measured.steps):
        root = tmp_path / str(lives)
        make(root)
        with pytest.raises(Killed):
            remove(MortalStorage(str(root), lives), folders)
        for folder in folders:
            assert Storage(str(root)).names(folder) in ([], ["one", "two"]), lives
        recover(Storage(str(root)))
        assert Storage(str(root)).names("staging/archive") == []
