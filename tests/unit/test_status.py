"""``nightjar status``: one screen from the ledger, with or without Kafka."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from broker.commands import app
from broker.kafka.embedded.host import free_port
from broker.sinks.locks import StageLock
from broker.tables.storage import Storage
from tests.builders import commit_arrivals, commit_everywhere


@pytest.fixture
def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """What the command prints of a folder, line by line."""
    monkeypatch.setenv("COLUMNS", "80")

    def show() -> list[str]:
        words = [f"storage.root={tmp_path}", f"kafka.servers=127.0.0.1:{free_port()}"]
        assert app.main(["status", "--set", words[0], "--set", words[1]]) == 0
        return capsys.readouterr().out.splitlines()

    return show


def cells(lines: list[str], name: str) -> list[str]:
    """Cells of both rows that begin with a name: now, and the last day."""
    now, day = (line for line in lines if line.startswith(f"{name} "))
    return [cell for line in (now, day) for cell in re.split(r"  +", line)[1:]]


def test_a_fresh_installation_has_nothing_to_show(shown) -> None:
    lines = shown()
    assert cells(lines, "raw")[:6] == ["none", "unknown", "-", "-", "0", "0"]
    assert cells(lines, "science")[:6] == ["none", "0", "-", "-", "0", "0"]


def test_it_shows_what_came_in_what_waits_and_how_late_it_is(shown, tmp_path: Path) -> None:
    storage, now = Storage(str(tmp_path / "ztf")), time.time()
    commit_everywhere(storage, "aaaaaaaa-000000", now - 3 * 86_400)
    commit_everywhere(storage, "aaaaaaaa-000001", now)
    commit_arrivals(storage, "raw", "aaaaaaaa-000002", [now - 300] * 4, now - 297)
    with StageLock(storage, "science") as lock:
        pid = lock.path.read_text()
        lines = shown()
    raw, science, distribute = (cells(lines, s) for s in ("raw", "science", "distribute"))
    # Two batches in the last day: 7 packets, 6 rows, 3 s.
    assert raw[:2] == ["none", "unknown"]
    assert raw[4:9] == ["2", "7", "6", "1.50", "2"]
    assert science[:3] == [pid, "4", "5 min"]
    assert distribute[1:3] == ["0", "-"]
    assert distribute[9:12] == ["5.0 s", "6.0 s", "6.0 s"]
    text = "\n".join(lines)
    for words in ("fast_risers", "hostless", "slope", "1 failed", "empty"):
        assert words in text
