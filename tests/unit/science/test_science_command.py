"""``nightjar science check`` and ``science new``: modules of one's own, without Spark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from broker.commands.science import app
from broker.errors import InputError, UsageError
from broker.simulator.synthetic import generate
from tests.unit.science.plug_ins import FAINT_KEYS, PICKY_KEYS, switch_on


def science(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--set", "science.modules=['real_bogus']"])


def test_a_check_prints_time_nulls_and_failures_on_synthetic_alerts(tmp_path: Path) -> None:
    file = switch_on(tmp_path, "faint", **FAINT_KEYS)
    result = science("check", file, "--sample", 30)
    assert result.exit_code == 0, result.output
    first, *rest = result.stdout.splitlines()
    assert first.startswith("faint: 30 alerts, ")
    assert first.endswith(" µs of CPU time per alert")
    assert rest == ["  is_faint: null for 0 (0.0%)", "  field: null for 0 (0.0%)", "  failures: 0"]


def test_a_module_that_fails_is_shown_with_its_error_and_exit_1(tmp_path: Path) -> None:
    result = science("check", switch_on(tmp_path, "picky", **PICKY_KEYS), "--sample", 30)
    assert result.exit_code == 1
    assert "× ValueError: 1 alerts are southern" in result.stdout


def test_values_that_depend_on_the_batch_are_named(tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text("def ranks(mag):\n    return mag.rank()\n")
    keys = {"function": "ranks:ranks", "inputs": ["mag"], "returns": "double"}
    result = science("check", switch_on(tmp_path, "ranks", **keys), "--sample", 10)
    assert "ranks: another value when an alert comes alone" in result.stdout


def test_a_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = switch_on(tmp_path, "faint", inputs=["redshift"], returns="double")
    result = science("check", file, "--sample", 5)
    assert isinstance(result.exception, InputError)
    assert f"{file}: module faint reads redshift: neither a column" in str(result.exception)


def test_a_new_module_passes_its_test_and_its_check(tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    result = science("new", "reach", "--folder", folder)
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {"reach.toml", "reach.py", "test_reach.py"}
    command = [sys.executable, "-m", "pytest", "-q", str(folder / "test_reach.py")]
    tested = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "1 passed" in tested.stdout, tested.stdout + tested.stderr
    checked = science("check", folder / "reach.toml", "--sample", 20)
    assert checked.exit_code == 0, checked.output
    assert "failures: 0" in checked.stdout
    assert "comes alone" not in checked.stdout


@pytest.mark.parametrize("name", ["slope", "mag", "Reach", "a-b", "classifier"])
def test_a_name_that_cannot_be_a_new_column_is_refused(tmp_path: Path, name: str) -> None:
    assert isinstance(science("new", name, "--folder", tmp_path).exception, UsageError)
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "reach.toml").write_text("mine")
    assert isinstance(science("new", "reach", "--folder", tmp_path).exception, UsageError)
    assert (tmp_path / "reach.toml").read_text() == "mine"


def test_a_check_takes_a_folder_of_packets(tmp_path: Path) -> None:
    folder = tmp_path / "packets"
    folder.mkdir()
    for packet in generate(4, 1):
        (folder / f"{packet.candid}.avro").write_bytes(packet.value)
    file = switch_on(tmp_path, "detections", inputs=["history+candidate.magpsf"], returns="int")
    result = science("check", file, "--packets", folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("detections: 4 alerts, ")
