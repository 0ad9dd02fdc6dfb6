"""The command line as a whole: its list, its errors, its exit codes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

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


def commands_of(name: str) -> Iterator[tuple[str, Any]]:
    """Full name of each command below one of the table, with what typer has made of it."""
    loaded = app.load(name)
    inner = getattr(loaded, "commands", {})
    yield from ((f"{name} {word}", command) for word, command in inner.items())
    if not inner:
        yield name, loaded


def options() -> Iterator[tuple[str, str, Any]]:
    """Each name of each option of every command: name, command, option."""
    for name in app.COMMANDS:
        for command, made in commands_of(name):
            for option in made.params:
                for word in (*option.opts, *option.secondary_opts):
                    if word.startswith("-"):
                        yield word, command, option


def test_an_option_has_one_type_and_one_help_in_every_command() -> None:
    meanings: dict[str, dict[tuple[str, str], list[str]]] = {}
    for word, command, option in options():
        about = (str(option.type_descriptor.annotation), option.help or "")
        meanings.setdefault(word, {}).setdefault(about, []).append(command)
    # A place in Kafka for run, files for consume: both are in everybody's scripts.
    assert len(meanings.pop("--from")) == 2
    assert {word: found for word, found in meanings.items() if len(found) > 1} == {}


def test_every_option_says_what_it_is() -> None:
    assert [(w, c) for w, c, option in options() if not (option.help or "").endswith(".")] == []


def test_every_command_that_reads_settings_takes_the_three_options_of_settings() -> None:
    taken: dict[str, set[str]] = {}
    for word, command, _ in options():
        taken.setdefault(command, set()).add(word)
    with_settings = {command for command, words in taken.items() if "--set" in words}
    assert len(with_settings) > 25
    for command in with_settings:
        assert {"--survey", "--conf", "--set"} <= taken[command], command
    for command in ("object", "plot", "filter test", "diff", "audit", "archive", "reprocess"):
        assert {"--survey", "--nights", "--night"} <= taken[command], command


@pytest.mark.parametrize(
    "words", [["diff"], ["quarantine", "list"], ["science", "explain", "12345"]]
)
def test_a_range_is_refused_where_one_night_is_needed(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = f"storage.root={tmp_path}"
    assert app.main([*words, "--nights", "20240707..20240708", "--set", root]) == 2
    assert "is a range of nights, and this takes one night" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stage", "science", "--from", "earliest"], "--from goes with stage raw"),
        (["--stage", "raw", "--skip-bad-filters"], "--skip-bad-filters goes with stage distribute"),
        (["--stage", "rae"], "'rae' is not one of"),
    ],
)
def test_an_option_of_another_stage_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["run", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_command_says_what_installs_a_package_that_is_missing(
    call_raising, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    assert call_raising(missing) == 2
    assert "sklearn, which is not in .venv; run `bin/test --version`" in capsys.readouterr().err


def test_every_job_is_a_command(project_root: Path) -> None:
    for path in sorted((project_root / "jobs").glob("*.py")):
        text = path.read_text()
        assert len(text.splitlines()) <= 25, path
        (words,) = re.findall(r"sys\.exit\(main\(\[(.+), \*sys\.argv\[1:\]\]\)\)", text)
        assert words.split(",")[0].strip('"') in app.COMMANDS, path
