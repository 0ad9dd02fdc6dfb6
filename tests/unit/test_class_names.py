"""A class name means one thing in all of broker/."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path


def doubled(root: Path) -> dict[str, list[str]]:
    """Class names that are defined more than once under a folder, with their places."""
    found = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_class_name_is_used_twice(project_root: Path) -> None:
    assert doubled(project_root / "broker") == {}


def test_a_name_that_is_used_twice_is_found(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("class A: ...\nclass B: ...\n")
    (tmp_path / "second.py").write_text("def f():\n    class A: ...\n")
    assert doubled(tmp_path) == {"A": ["first.py:1", "second.py:2"]}
