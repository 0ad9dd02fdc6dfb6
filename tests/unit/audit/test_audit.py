"""The audit's equations hold where nothing is lost or doubled, and name what is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.audit.equations import audit, check_ingest, check_offsets
from broker.audit.finding import Finding
from broker.commands.app import main
from broker.nights import NightRange
from broker.tables.ledger_row import LedgerRow, OffsetRange
from broker.tables.storage import Storage
from tests.builders import TOPIC, commit_offsets, fill
from tests.science_rows import AT

FIRST, SECOND = "aaaaaaaa-000000", "aaaaaaaa-000001"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Two batches: eleven records, of which one was refused."""
    storage = Storage(str(tmp_path))
    commit_offsets(storage, FIRST, {20240706: [0, 1, 2], 20240707: [4]}, {3: "empty"})
    commit_offsets(storage, SECOND, {20240707: range(5, 11)})
    return storage


def broken(findings: list[Finding]) -> list[str]:
    return [text for finding in findings for text in finding.differences]


def summaries(findings: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.summary for finding in findings}


def rows(*spans: tuple[int, int], partition: int = 0) -> Iterator[LedgerRow]:
    for number, (start, until) in enumerate(spans):
        offsets = (OffsetRange(TOPIC, partition, start, until, until),)
        count = until - start
        yield LedgerRow("ztf", "raw", f"a-{number:06d}", AT, 1.0, count, count, offsets=offsets)


def test_every_equation_holds_when_nothing_is_lost_or_doubled(storage: Storage) -> None:
    findings = audit(storage, deep=True)
    assert broken(findings) == []
    found = summaries(findings)
    assert found["per batch: read = raw rows + quarantined"] == "2 batches, 11 = 10 + 1"
    assert (
        found["per partition: offset ranges join without a gap"]
        == "1 partitions, 11 offsets, 0 of them read again"
    )
    assert found["per batch, night: raw rows in files = in the ledger"] == "3 folders, 10 = 10"
    assert (
        found["per batch: each offset once, in raw or in quarantine"]
        == "10 rows, 10 positions, 0 of them read again"
    )


def test_nothing_at_all_is_sound(tmp_path: Path) -> None:
    assert broken(audit(Storage(str(tmp_path)), deep=True)) == []


def test_the_command_does_not_call_a_folder_sound_in_which_nothing_ever_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--set", f"storage.root={tmp_path}/data"]) == 2
    assert f"{tmp_path}/data/ztf has no ledger, so there is nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spans", "repeats", "gap"),
    [
        ([(0, 5), (5, 9)], 0, None),
        ([(5, 9), (0, 5)], 0, None),
        ([(0, 5), (0, 5)], 5, None),
        ([(0, 5), (3, 9)], 2, None),
        ([(0, 9), (2, 4)], 2, None),
        ([(0, 9), (2, 4), (9, 10)], 2, None),
        ([(0, 5), (6, 9)], 0, "offsets 5 to 5 are in no batch before a-000001"),
        ([(0, 9), (2, 4), (12, 14)], 2, "offsets 9 to 11 are in no batch before a-000002"),
        ([(100, 105), (105, 110)], 0, None),
    ],
)
def test_ranges_join_overlap_or_leave_a_gap(
    spans: list[tuple[int, int]], repeats: int, gap: str | None
) -> None:
    finding = check_offsets(rows(*spans))
    records = sum(until - start for start, until in spans)
    assert finding.summary == f"1 partitions, {records} offsets, {repeats} of them read again"
    expected = (f"topic {TOPIC}, partition 0: {gap}",) if gap else ()
    assert finding.differences == expected


def test_partitions_are_told_apart() -> None:
    both = [*rows((0, 5), (5, 9)), *rows((3, 4), (6, 7), partition=1)]
    finding = check_offsets(both)
    assert [text.split(":")[0] for text in finding.differences] == [f"topic {TOPIC}, partition 1"]


def test_a_count_that_does_not_add_up_is_named(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    row = commit_offsets(storage, FIRST, {20240706: [0, 1, 2]}, read=4)
    finding = check_ingest([row])
    assert finding.differences == (f"batch {FIRST}: 4 read, 3 raw rows, 0 quarantined",)


def test_a_lost_file_is_named(storage: Storage, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "online/raw/night=20240707" / f"batch={FIRST}")
    text = f"raw, night 20240707, batch {FIRST}: 0 rows in files, 1 in the ledger"
    assert broken(audit(storage)) == []
    lost = (
        f"batch {FIRST}: 1 packets are neither in raw nor in quarantine; topic {TOPIC}, "
        "partition 0, offsets 4"
    )
    assert broken(audit(storage, deep=True)) == [text, lost]


def test_a_doubled_file_is_named(storage: Storage, tmp_path: Path) -> None:
    folder = tmp_path / "online/raw/night=20240707" / f"batch={SECOND}"
    shutil.copy(folder / "part-0.parquet", folder / "part-1.parquet")
    assert broken(audit(storage, deep=True)) == [
        f"raw, night 20240707, batch {SECOND}: 12 rows in files, 6 in the ledger",
        f"raw, batch {SECOND}, topic {TOPIC}, partition 0: 6 rows are there twice, 0 are not in "
        "the batch's offsets",
    ]


def test_rows_of_another_batch_are_named(storage: Storage, tmp_path: Path) -> None:
    night = tmp_path / "online/raw/night=20240707"
    (night / f"batch={FIRST}").rename(night / "aside")
    (night / f"batch={SECOND}").rename(night / f"batch={FIRST}")
    (night / "aside").rename(night / f"batch={SECOND}")
    outside = [text for text in broken(audit(storage, deep=True)) if "not in the" in text]
    assert outside == [
        f"raw, batch {FIRST}, topic {TOPIC}, partition 0: 0 rows are there twice, 6 are not in "
        "the batch's offsets (5 to 10)",
        f"raw, batch {SECOND}, topic {TOPIC}, partition 0: 0 rows are there twice, 1 are not in "
        "the batch's offsets (4)",
    ]


def test_rows_without_a_ledger_row_are_named_and_counted_as_repeats(
    storage: Storage, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "ledger")
    commit_offsets(
        storage, "bbbbbbbb-000000", {20240706: [0, 1, 2], 20240707: range(4, 11)}, {3: "empty"}
    )
    findings = audit(storage, deep=True)
    assert broken(findings) == [
        f"raw, night 20240706, batch {FIRST}: 3 rows in files, 0 in the ledger",
        f"raw, night 20240707, batch {FIRST}: 1 rows in files, 0 in the ledger",
        f"raw, night 20240707, batch {SECOND}: 6 rows in files, 0 in the ledger",
        f"quarantine, batch {FIRST}: 1 packets in files, 0 in the ledger",
    ]
    positions = summaries(findings)["per batch: each offset once, in raw or in quarantine"]
    assert positions == "20 rows, 10 positions, 10 of them read again"


def test_a_lost_quarantined_packet_is_named(storage: Storage, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "quarantine")
    assert broken(audit(storage, deep=True)) == [
        f"quarantine, batch {FIRST}: 0 packets in files, 1 in the ledger",
        f"batch {FIRST}: 1 packets are neither in raw nor in quarantine; topic {TOPIC}, "
        "partition 0, offsets 3",
    ]


def test_offsets_that_kafka_keeps_for_itself_are_not_missed(tmp_path: Path) -> None:
    # Of ten offsets eight held a record: two ends of transactions.
    spans = (OffsetRange(TOPIC, 0, 0, 10, 10),)
    storage = Storage(str(tmp_path))
    commit_offsets(storage, FIRST, {20240706: range(8)}, offsets=spans)
    assert broken(audit(storage, deep=True)) == []


def test_a_packet_that_was_replayed_twice_is_named(storage: Storage) -> None:
    for key in ("replay-000000", "replay-000001"):
        commit_offsets(storage, key, {20240707: [3]}, stage="replay")
    text = f"topic {TOPIC}, partition 0, offset 3: replayed 2 times"
    assert text in broken(audit(storage, deep=True))


def test_replayed_packets_belong_to_the_replays_own_batch(storage: Storage) -> None:
    commit_offsets(storage, "replay-000000", {20240707: [3]}, stage="replay")
    findings = audit(storage, deep=True)
    assert broken(findings) == []
    positions = summaries(findings)["per batch: each offset once, in raw or in quarantine"]
    assert positions == "11 rows, 11 positions, 0 of them read again"


def test_alerts_that_only_one_table_has_are_named_with_batch_and_offset(tmp_path: Path) -> None:
    fill(tmp_path, range(12), 1)
    storage = Storage(str(tmp_path / "ztf"))
    assert broken(audit(storage, deep=True)) == []
    path = tmp_path / "ztf/online/science/night=20240909/batch=abcdef01-000000/part-0.parquet"
    rows = pq.read_table(path, partitioning=None)
    stranger = rows.slice(1, 1).set_column(0, rows.schema.field(0), [[17]])
    pq.write_table(pa.concat_tables([rows.slice(0, 1), stranger, rows.slice(2)]), path)
    lost, place = rows["alert_id"][1], rows["ingest"][1].as_py()
    where = (
        f"batch abcdef01-000000, topic alerts, partition {place['partition']}, "
        f"offset {place['offset']}"
    )
    assert broken(audit(storage, deep=True)) == [
        f"night 20240909: 1 alerts are in raw, but not in science: {lost} ({where})",
        f"night 20240909: 1 alerts are in science, but not in raw: 17 ({where})",
    ]


def test_nights_limit_what_is_counted_in_files(storage: Storage, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "online/raw/night=20240706")
    assert broken(audit(storage, NightRange(20240707, 20240707), deep=True)) == []
    assert len(broken(audit(storage, NightRange(20240706, 20240706), deep=True))) == 1
