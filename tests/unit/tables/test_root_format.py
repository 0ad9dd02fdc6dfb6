"""A root that a newer version has written is refused; one without a number is adopted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from broker.commands import app
from broker.errors import SettingsError
from broker.query import Archive
from broker.sinks.locks import StageLock
from broker.tables.root_format import NUMBER
from broker.tables.storage import Storage
from tests.builders import put_online
from tests.science_rows import plain_rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A survey's folder with rows and without a number, as older versions leave it."""
    put_online(tmp_path / "ztf", "aaaaaaaa-000000", plain_rows([1, 2]))
    return tmp_path / "ztf"


def number_in(root: Path) -> int:
    return int(json.loads((root / "format.json").read_text())["format"])


def write_number(root: Path, number: int) -> None:
    (root / "format.json").write_text(json.dumps({"format": number}))


def test_a_root_without_a_number_is_read_and_adopted_by_the_first_writer(root: Path) -> None:
    assert len(Archive(root).sql("SELECT * FROM science")) == 2
    assert not (root / "format.json").exists()
    with StageLock(Storage(str(root)), "raw"):
        assert number_in(root) == NUMBER
    assert len(Archive(root).sql("SELECT * FROM science")) == 2


def test_a_new_root_gets_the_number(tmp_path: Path) -> None:
    with StageLock(Storage(str(tmp_path / "new")), "raw"):
        assert number_in(tmp_path / "new") == NUMBER


def test_a_lower_number_is_raised_by_the_first_writer(root: Path) -> None:
    write_number(root, NUMBER - 1)
    with StageLock(Storage(str(root)), "raw"):
        assert number_in(root) == NUMBER


def test_an_archive_of_a_newer_version_is_refused_with_the_reason(root: Path) -> None:
    write_number(root, NUMBER + 1)
    with pytest.raises(SettingsError, match=f"has format {NUMBER + 1}, .* at most {NUMBER}; inst"):
        Archive(root)


def test_a_number_that_is_none_is_refused(root: Path) -> None:
    (root / "format.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"format\.json does not hold"):
        Storage(str(root))


@pytest.mark.parametrize(
    "words",
    [
        ["sql", "SELECT * FROM science"],
        ["status"],
        ["audit"],
        ["quarantine", "list"],
        ["science", "explain", "1"],
    ],
)
def test_commands_refuse_a_newer_root_in_one_line(
    root: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_number(root, NUMBER + 1)
    assert app.main([*words, "--set", f"storage.root={root.parent}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"has format {NUMBER + 1}" in line


def test_a_job_refuses_a_newer_root_before_it_writes(root: Path, project_root: Path) -> None:
    write_number(root, NUMBER + 1)
    job = [sys.executable, "jobs/raw2science.py", "--survey", "ztf"]
    setting = ["--set", f"storage.root={root.parent}"]
    done = subprocess.run(
        [*job, *setting], capture_output=True, text=True, cwd=project_root, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"has format {NUMBER + 1}" in line
    assert number_in(root) == NUMBER + 1
    assert not (root / "locks").exists()
