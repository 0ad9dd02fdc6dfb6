"""Stage, seal, publish, commit: whatever dies wherever, a batch is there once and whole."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from broker.errors import PublishError, SettingsError
from broker.sinks import faults
from broker.sinks.publish import Attempt, Publisher
from broker.tables.ledger import Ledger
from broker.tables.storage import Storage
from tests.builders import row, stage_rows
from tests.unit.sinks.mortal import Killed, MortalStorage

KEY = "abcdef01-000003"
STAGE = "raw"
# Rows of a batch, which `row` counts: ids by night for the raw table, one for the quarantine.
RAW = {20240706: [1, 2, 3], 20240707: [4, 5]}
QUARANTINE = {20240708: [6]}
WHOLE = {
    "raw": [id_ for ids in RAW.values() for id_ in ids],
    "quarantine": [id_ for ids in QUARANTINE.values() for id_ in ids],
}
POINTS = (
    "before_stage",
    "after_stage",
    "after_seal",
    "mid_publish",
    "before_commit",
    "after_commit",
)


def stage(attempt: Attempt) -> None:
    """Stage the rows of `RAW` and `QUARANTINE`."""
    for table, nights in (("raw", RAW), ("quarantine", QUARANTINE)):
        for night, ids in nights.items():
            n = len(ids)
            columns = {"id": ids, "reason": ["empty"] * n, "night": [night] * n}
            stage_rows(attempt, table, pa.table(columns))


def visible(root: Path, key: str) -> dict[str, list[int]]:
    """Ids of a batch that DuckDB, which reads hidden folders too, finds in each table."""
    found = {}
    for table, area in (("raw", "online/raw"), ("quarantine", "quarantine")):
        files = list((root / area).rglob("*.parquet"))
        query = f"SELECT id FROM read_parquet(?) WHERE batch = '{key}' ORDER BY id"
        names = [str(path) for path in files]
        rows = duckdb.execute(query, [names]).fetchall() if names else []
        found[table] = [id_ for (id_,) in rows]
    return found


def write(storage: Storage, key: str = KEY) -> None:
    """A start of the stage, as the pipeline does it."""
    publisher = Publisher(storage, STAGE)
    publisher.recover()
    if not publisher.ledger.has(STAGE, key):
        attempt = publisher.attempt(key)
        stage(attempt)
        publisher.finish(attempt, row(key))


def is_whole(root: Path, key: str = KEY) -> bool:
    """The batch is in the tables once, in the ledger, and nowhere else."""
    storage = Storage(str(root))
    return (
        visible(root, key) == WHOLE
        and Ledger(storage).rows(STAGE) == [row(key)]
        and storage.names(f"staging/{STAGE}") == []
    )


def test_a_batch_is_published_whole(tmp_path: Path) -> None:
    write(Storage(str(tmp_path)))
    assert is_whole(tmp_path)
    folders = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("part-*"))
    assert folders == [
        f"online/raw/night=20240706/batch={KEY}",
        f"online/raw/night=20240707/batch={KEY}",
        f"quarantine/night=20240708/batch={KEY}",
    ]


def steps_of_a_batch(folder: Path) -> int:
    storage = MortalStorage(str(folder), None)
    write(storage)
    return storage.steps


def test_whatever_dies_at_any_step_the_next_start_makes_the_batch_whole(tmp_path: Path) -> None:
    steps = steps_of_a_batch(tmp_path / "measure")
    assert steps > 15
    for lives in range(steps):
        root = tmp_path / str(lives)
        with pytest.raises(Killed):
            write(MortalStorage(str(root), lives))
        seen = visible(root, KEY)
        assert set(seen["raw"]) <= set(WHOLE["raw"]), lives
        assert len(seen["raw"]) == len(set(seen["raw"])), lives
        write(Storage(str(root)))
        assert is_whole(root), lives


def test_a_start_that_dies_in_its_recovery_is_made_good_by_the_next(tmp_path: Path) -> None:
    steps = steps_of_a_batch(tmp_path / "measure")
    for lives in range(0, steps, 2):
        for second in range(0, 12, 3):
            root = tmp_path / f"{lives}-{second}"
            for budget in (lives, second):
                try:
                    write(MortalStorage(str(root), budget))
                except Killed:
                    continue
            write(Storage(str(root)))
            assert is_whole(root), (lives, second)


@pytest.mark.parametrize("point", POINTS)
def test_a_fault_point_kills_where_it_says_and_the_next_start_makes_the_batch_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    killed: list[int] = []

    def kill(pid: int, number: int) -> None:
        killed.append(number)
        raise Killed

    monkeypatch.setattr(faults.os, "kill", kill)
    monkeypatch.setattr(faults, "_passed", faults.Counter())
    monkeypatch.setenv("NIGHTJAR_FAULT", f"{STAGE}:{point}")
    with pytest.raises(Killed):
        write(Storage(str(tmp_path)))
    assert killed == [9]
    monkeypatch.delenv("NIGHTJAR_FAULT")
    write(Storage(str(tmp_path)))
    assert is_whole(tmp_path)


def test_a_fault_may_wait_for_the_nth_passing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults.os, "kill", lambda pid, number: pytest.fail("killed too early"))
    monkeypatch.setattr(faults, "_passed", faults.Counter())
    monkeypatch.setenv("NIGHTJAR_FAULT", f"{STAGE}:mid_publish:4")
    write(Storage(str(tmp_path)))  # passes it three times: two nights of raw, one of quarantine


@pytest.mark.parametrize("text", ["raw", "raw:after_seal:x", "raw:after_seal:0", "a:b:1:2"])
def test_a_malformed_fault_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NIGHTJAR_FAULT", text)
    with pytest.raises(SettingsError, match="expected <stage>:<point>"):
        faults.fault_point("raw", "after_seal")


def test_what_is_not_sealed_is_thrown_away(tmp_path: Path) -> None:
    publisher = Publisher(Storage(str(tmp_path)), STAGE)
    stage(publisher.attempt(KEY))
    assert publisher.recover() == []
    assert visible(tmp_path, KEY) == {"raw": [], "quarantine": []}
    assert publisher.storage.names(f"staging/{STAGE}") == []


def test_what_is_sealed_is_finished_and_never_computed_again(tmp_path: Path) -> None:
    publisher = Publisher(Storage(str(tmp_path)), STAGE)
    attempt = publisher.attempt(KEY)
    stage(attempt)
    attempt.seal(row(KEY))
    assert publisher.recover() == [KEY]
    assert is_whole(tmp_path)


def test_of_two_sealed_attempts_at_a_batch_one_is_published(tmp_path: Path) -> None:
    publisher = Publisher(Storage(str(tmp_path)), STAGE)
    for _ in range(2):
        attempt = publisher.attempt(KEY)
        stage(attempt)
        attempt.seal(row(KEY))
    assert publisher.recover() == [KEY]
    assert is_whole(tmp_path)


def test_staging_of_another_stage_is_left_alone(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    stage(Publisher(storage, "science").attempt(KEY))
    Publisher(storage, STAGE).recover()
    assert len(storage.names("staging/science")) == 1


def test_a_committed_batch_is_not_written_again(tmp_path: Path) -> None:
    write(Storage(str(tmp_path)))
    with pytest.raises(PublishError, match=f"batch {KEY} of stage {STAGE} is committed already"):
        Publisher(Storage(str(tmp_path)), STAGE).attempt(KEY)


def test_a_folder_that_is_in_the_way_stops_the_batch_and_stays(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_text("not ours", f"online/raw/night=20240706/batch={KEY}/part-9.parquet")
    with pytest.raises(PublishError, match=r"night=20240706/batch=.* exists already"):
        write(storage)
    assert storage.read_text(f"online/raw/night=20240706/batch={KEY}/part-9.parquet") == "not ours"
    assert not Ledger(storage).has(STAGE, KEY)


def test_two_batches_of_a_night_lie_side_by_side(tmp_path: Path) -> None:
    keys = ["abcdef01-000003", "abcdef01-000004"]
    for key in keys:
        write(Storage(str(tmp_path)), key)
    assert [visible(tmp_path, key) for key in keys] == [WHOLE, WHOLE]
    assert Ledger(Storage(str(tmp_path))).keys(STAGE) == keys


def test_staged_rows_are_counted_from_their_files(tmp_path: Path) -> None:
    attempt = Attempt(Storage(str(tmp_path)), STAGE, KEY)
    assert attempt.rows_by_night("raw") == {}
    assert attempt.count_by("quarantine", "reason") == {}
    stage(attempt)
    assert attempt.rows_by_night("raw") == {20240706: 3, 20240707: 2}
    assert attempt.count_by("quarantine", "reason") == {"empty": 1}
