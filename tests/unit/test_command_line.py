"""The command line as a whole: its list, its errors, its exit codes."""

from __future__ import annotations

import sys
from importlib.metadata import version
from types import ModuleType

import pytest

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
    assert capsys.readouterr().out == f"nightjar {version('nightjar')}\n"


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


def test_an_unforeseen_error_is_no_found_difference(
    call_raising, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_raising(ZeroDivisionError("by nought")) == 3
    assert "ZeroDivisionError: by nought" in capsys.readouterr().err
