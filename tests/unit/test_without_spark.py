"""Readers' modules import on a machine without pyspark, whatever they import in turn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = (
    "settings",
    "packets",
    "kafka",
    "surveys",
    "tables",
    "audit",
    "query",
    "plots",
    "client",
)
# Spark's own reader of the tables.
NEEDS_SPARK = {"broker.tables.read_spark"}
# As if it were not installed, also where a module would catch the error.
FORBID = """
import importlib.abc, sys

class Forbidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pyspark", "py4j"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Forbidden())
"""


def modules(root: Path) -> list[str]:
    """Modules of the packages that readers use, and those directly in broker/."""
    broker = root / "broker"
    paths = [*broker.glob("*.py"), *(path for p in PACKAGES for path in (broker / p).rglob("*.py"))]
    names = {".".join(path.relative_to(root).with_suffix("").parts) for path in paths}
    return sorted(name.removesuffix(".__init__") for name in names - NEEDS_SPARK)


def run(code: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FORBID + code], cwd=root, capture_output=True, text=True, check=False
    )


def test_readers_import_without_pyspark(project_root: Path) -> None:
    names = modules(project_root)
    assert {"broker.query.archive", "broker.audit.equations", "broker.tables.files"} <= set(names)
    done = run(f"import {', '.join(names)}", project_root)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(NEEDS_SPARK))
def test_the_check_notices_an_import_of_pyspark(project_root: Path, name: str) -> None:
    done = run(f"import {name}", project_root)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: No module named 'py")
