"""Paths of the data root are spelled in `broker/tables` only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PATHS = re.compile(
    r"((?<![.\w])(online|ledger|staging|versions|checkpoints|locks)/"
    r"|\barchive/(raw|science)\b"
    r"|(^|/)headers(/|$)"
    r"|\b(night|batch|stage|state)=)"
)


def spelled_paths(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that spells such a path, docstrings and help texts apart."""
    left_out = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    left_out |= {
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "help"
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and node not in left_out and PATHS.search(node.value):
            yield node.lineno, node.value


def breaches(root: Path) -> list[str]:
    """One line for every path that is spelled under ``root`` outside of the tables."""
    modules = sorted([*root.glob("broker/**/*.py"), *root.glob("jobs/**/*.py")])
    return [
        f"{path.relative_to(root)}:{line}: {text!r}; take it from broker/tables/layout.py"
        for path in modules
        if not path.is_relative_to(root / "broker/tables")
        for line, text in spelled_paths(ast.parse(path.read_text()))
    ]


def test_nothing_outside_the_tables_spells_a_path_of_the_root(project_root: Path) -> None:
    assert breaches(project_root) == []


@pytest.mark.parametrize(
    "text",
    [
        'AREA = "online/raw"',
        'folder = f"{area}/night={night}"',
        'folder = f"{area}/batch={key}"',
        'storage.path(f"locks/{stage}")',
        'storage.names("headers")',
        'def f():\n    return "checkpoints/x"',
        'spark.read.parquet(root + "/archive/science")',
        'say("restore ledger/closed")',
    ],
)
def test_a_path_is_found(tmp_path: Path, text: str) -> None:
    module = tmp_path / "broker/pipeline/stage.py"
    module.parent.mkdir(parents=True)
    module.write_text(text)
    (breach,) = breaches(tmp_path)
    assert breach.startswith("broker/pipeline/stage.py:")


@pytest.mark.parametrize(
    "text",
    [
        '"""Rows of ``online/raw/night=N``."""',
        'Option(help="Folder such as ledger/closed.")',
        'A = 1\n"""Folder of ``locks/``."""',
        'say("the versions: 1, 2")',
    ],
)
def test_docstrings_help_and_other_words_are_no_paths(tmp_path: Path, text: str) -> None:
    module = tmp_path / "broker/pipeline/stage.py"
    module.parent.mkdir(parents=True)
    module.write_text(text)
    assert breaches(tmp_path) == []
