"""The command line as a whole: its list, its errors, its exit codes."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import duckdb
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException

from broker.commands import app
from broker.errors import CheckFailed, NightjarError, SettingsError


@pytest.fixture
def call_raising(monkeypatch: pytest.MonkeyPatch):
    """Run a command that does nothing but raise the given error."""

    def call(error: Exception) -> int:
        def command() -> None:
            raise error

        module = ModuleType("raising")
        module.command = command
        monkeypatch.setitem(sys.modules, "raising", module)
        monkeypatch.setitem(app.COMMANDS, "raise", app.Entry("raising:command", "Raise."))
        return app.main(["raise"])

    return call


def test_help_lists_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, entry in app.COMMANDS.items():
        assert f"{name} {entry.summary}" in shown


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_of_the_table_loads_and_has_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main([name, "-h"]) == 0
    assert f"Usage: nightjar {name}" in capsys.readouterr().out


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--version"]) == 0
    assert capsys.readouterr().out == f"nightjar {version('nightjar-broker')}\n"


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["kafak"]) == 2
    assert "Did you mean 'kafka'?" in capsys.readouterr().err


def test_an_unknown_option_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["kafka", "start", "--prot", "1"]) == 2
    assert "No such option: --prot" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(CheckFailed("two rows differ"), 1), (SettingsError("no such key"), 2), (NightjarError(), 3)],
)
def test_our_errors_become_one_line_and_their_exit_code(
    error: NightjarError, code: int, call_raising, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_raising(error) == code
    assert capsys.readouterr().err == f"nightjar: {error}\n"


@pytest.mark.parametrize("word", ["-x", "--", "--no-such", "--no-such=a b"])
def test_only_a_value_may_begin_with_a_dash(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["night", word]) == 2
    assert "Usage: nightjar night" in capsys.readouterr().err


def test_numbers_below_0_are_values_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--set", f"storage.root={tmp_path}"]
    assert app.main(["quarantine", "show", "alerts", "-1", "-5", *root]) == 2
    assert "topic alerts, partition -1, offset -5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (duckdb.InternalException("INTERNAL Error: x\n\nStack Trace:\n0 duck()"), 2, "INTERNAL"),
        (pa.ArrowInvalid("No match for FieldRef.Name(x)\n\n/arrow/cpp/type.cc:1"), 2, "No match"),
        (PySparkException("[CAST] no number\n\tat org.apache.spark.X"), 3, "[CAST] no number"),
    ],
)
def test_an_engines_trace_reaches_nobody(
    error: Exception, code: int, said: str, call_raising, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_raising(error) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert err.startswith("nightjar: ")


def test_an_unforeseen_error_is_no_found_difference(
    call_raising, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_raising(ZeroDivisionError("by nought")) == 3
    assert "ZeroDivisionError: by nought" in capsys.readouterr().err
