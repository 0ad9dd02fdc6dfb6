"""One live writer per stage and survey."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from broker.errors import LockHeld
from broker.sinks.locks import StageLock, holder
from broker.tables.storage import Storage

HOLD = """
import sys, time
from broker.sinks.locks import StageLock
from broker.tables.storage import Storage
with StageLock(Storage(sys.argv[1]), "raw"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    with StageLock(storage, "raw"), pytest.raises(LockHeld) as caught:
        StageLock(storage, "raw").__enter__()
    assert f"process {os.getpid()}" in str(caught.value)
    assert str(tmp_path / "locks/raw") in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_lock_that_was_left_is_taken(tmp_path: Path) -> None:
    for _ in range(2):
        with StageLock(Storage(str(tmp_path)), "raw"):
            pass


def test_stages_and_surveys_do_not_hinder_each_other(tmp_path: Path) -> None:
    first, second = Storage(str(tmp_path / "ztf")), Storage(str(tmp_path / "elasticc"))
    with StageLock(first, "raw"), StageLock(first, "science"), StageLock(second, "raw"):
        pass


def test_who_holds_a_lock_is_seen_without_trying_it(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    assert holder(storage, "raw") is None
    with StageLock(storage, "raw"):
        assert holder(storage, "raw") == os.getpid()
        assert holder(storage, "science") is None
    assert holder(storage, "raw") is None


def test_a_lock_dies_with_its_process_however_that_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=f"process {process.pid}"):
            StageLock(Storage(str(tmp_path)), "raw").__enter__()
        process.send_signal(signal.SIGKILL)
    with StageLock(Storage(str(tmp_path)), "raw"):
        pass
