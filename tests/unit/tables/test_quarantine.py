"""The quarantine tells what was refused, why, and what has been replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.commands.app import main
from broker.errors import UsageError
from broker.tables.quarantine import SHOWN, Quarantine
from broker.tables.storage import Storage
from tests.builders import ARRIVAL_NIGHT, TOPIC, commit_offsets

REFUSED = {3: "empty", 1: "truncated", 8: "empty"}


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    """Three refused packets, of which one has been replayed."""
    storage = Storage(str(tmp_path))
    commit_offsets(storage, "aaaaaaaa-000000", {20240706: [0, 2]}, REFUSED)
    commit_offsets(storage, "replay-000000", {20240706: [3]}, stage="replay")
    return Quarantine(storage)


def test_packets_come_by_position_with_their_reason(quarantine: Quarantine) -> None:
    rows = quarantine.packets().to_pylist()
    assert [(row["offset"], row["reason"], row["replayed"]) for row in rows] == [
        (1, "truncated", False),
        (3, "empty", True),
        (8, "empty", False),
    ]
    assert set(rows[0]) == {*SHOWN, "replayed"}
    assert {row["night"] for row in rows} == {ARRIVAL_NIGHT}


def test_packets_are_chosen_by_reason_and_night(quarantine: Quarantine) -> None:
    assert quarantine.packets(reason="empty")["offset"].to_pylist() == [3, 8]
    assert quarantine.packets(night=ARRIVAL_NIGHT).num_rows == 3
    assert quarantine.packets(night=20240706).num_rows == 0
    assert quarantine.packets("empty", 20240706).num_rows == 0


def test_a_packet_is_shown_with_its_bytes(quarantine: Quarantine) -> None:
    row = quarantine.packet(TOPIC, 0, 8)
    assert row["value"] == b"bytes of 8"
    assert row["detail"] == "because of empty"


def test_a_position_without_a_packet_is_refused_with_the_next_step(quarantine: Quarantine) -> None:
    with pytest.raises(UsageError, match="no packet of topic alerts, partition 1, offset 8"):
        quarantine.packet(TOPIC, 1, 8)


def test_an_empty_quarantine_is_empty(tmp_path: Path) -> None:
    quarantine = Quarantine(Storage(str(tmp_path)))
    assert quarantine.packets().to_pylist() == []
    assert quarantine.packets(reason="empty", night=20240706).to_pylist() == []
    with pytest.raises(UsageError, match="quarantine list"):
        quarantine.packet(TOPIC, 0, 0)


def test_the_command_counts_by_reason_and_lists_packets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = Storage(str(tmp_path / "ztf"))
    commit_offsets(storage, "aaaaaaaa-000000", {20240706: [0, 2]}, REFUSED)
    commit_offsets(storage, "replay-000000", {20240706: [3]}, stage="replay")
    words = ["quarantine", "list", "--set", f"storage.root={tmp_path}"]
    assert main([*words, "--most", "2", "--night", str(ARRIVAL_NIGHT)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [
        ["reason", "waiting", "replayed"],
        ["empty", "1", "1"],
        ["truncated", "1", "0"],
    ]
    assert lines[4] == [TOPIC, "0", "1", "truncated", "because", "of", "truncated"]
    assert lines[5][3] == "replayed"
    assert lines[6][:4] == ["…", "and", "1", "more"]
