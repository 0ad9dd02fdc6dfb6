"""Tables on the terminal and in pipes: aligned, and no value is cut."""

from __future__ import annotations

import sys

import pytest
from rich.text import Text

from broker.commands.terminal_table import as_text, counts, show, table

LONG = "a " * 120 + "b"


def test_texts_are_aligned_to_the_left_and_numbers_to_the_right() -> None:
    made = table(("name", "n"), [("a", "1"), ("bcdef", "234")], numbers=("n",))
    assert as_text(made) == "name     n\na        1\nbcdef  234\n"


@pytest.mark.parametrize("columns", ["20", "80"])
def test_no_value_is_cut_or_wrapped_in_a_pipe(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show(table(("id", "why"), [("2404202160115015001", LONG)], texts=("why",)))
    assert capsys.readouterr().out.splitlines()[1] == f"2404202160115015001  {LONG}"


def test_only_texts_are_wrapped_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"COLUMNS": "30", "LINES": "20", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show(table(("id", "why"), [("2404202160115015001", LONG)], texts=("why",)))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert lines[1].startswith("2404202160115015001  a a")
    assert all(len(line) <= 30 for line in lines[1:])


def test_brackets_are_shown_as_they_are() -> None:
    assert "[red]x[/]" in as_text(table(("a",), [("[red]x[/]",)]))
    assert as_text(table(("a",), [(Text("x", "red"),)])) == "a\nx\n"


def test_an_empty_count_says_none() -> None:
    assert as_text(counts("filter", "alerts", [])).split() == ["filter", "alerts", "none"]


def test_tables_stand_side_by_side_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    first, second = (counts(name, "n", [("x", "1")]) for name in ("left", "right"))
    assert as_text(first, second, side_by_side=True).splitlines()[0].split() == [
        *("left", "n"),
        *("right", "n"),
    ]
