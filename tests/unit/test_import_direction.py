"""Imports point one way, as CONTRIBUTING draws it, and pyspark stays where it belongs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BASE = {
    *("errors", "units", "nights", "logs", "strict_json", "stopping"),
    *("nearest", "deadline", "plural"),
}
SETTINGS = BASE | {"settings"}
SURVEYS = SETTINGS | {"packets", "kafka", "spark", "surveys"}
TABLES = SURVEYS | {"tables"}
ROOMS = {"ingest", "science", "filters", "sinks", "query", "plots", "client"}
UPPER = {"pipeline", "archive", "audit", "simulator", "training"}

# What a package of `broker` may import, itself always included. Siblings never import each other.
ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(BASE, BASE),
    "settings": BASE,
    **dict.fromkeys(("packets", "kafka", "spark"), SETTINGS),
    "surveys": SURVEYS,
    "tables": SURVEYS,
    **dict.fromkeys(ROOMS, TABLES),
    **dict.fromkeys(UPPER, TABLES | ROOMS),
    # A night is closed only after the audit's equations hold for its batches.
    "archive": TABLES | ROOMS | {"audit"},
    # A synthetic night is training material.
    "training": TABLES | ROOMS | {"simulator"},
    "commands": TABLES | ROOMS | UPPER,
    "jobs": TABLES | ROOMS | UPPER | {"commands"},
}
# Packages that work on a machine without Java, apart from the files that name Spark's own types.
WITHOUT_SPARK = SETTINGS | {"packets", "kafka", "surveys", "tables", "query", "plots", "client"}
WITH_SPARK = {"broker.tables.read_spark"}


def imported_names(tree: ast.Module, module: str) -> Iterator[str]:
    """Full dotted names of everything that a module imports, at whatever depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parent, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def package_of(name: str) -> str | None:
    """`jobs`, or the package of `broker` that a dotted name lies in; None for other people's."""
    parts = name.split(".")
    if parts[0] == "jobs":
        return "jobs"
    return parts[1] if parts[0] == "broker" and len(parts) > 1 else None


def breaches(root: Path) -> list[str]:
    """One line for every import under ``root`` that points the wrong way."""
    found = []
    for path in sorted([*root.glob("broker/**/*.py"), *root.glob("jobs/**/*.py")]):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        package = package_of(module)
        if package is None or module == "broker.__init__":
            continue
        if package not in ALLOWED:
            found.append(f"{module} is in no layer: give {package} a place in ALLOWED")
            continue
        for name in imported_names(ast.parse(path.read_text()), module):
            target = package_of(name)
            if target is not None and target != package and target not in ALLOWED[package]:
                found.append(f"{module} imports {name}")
            if (
                package in WITHOUT_SPARK
                and module not in WITH_SPARK
                and name.split(".")[0] == "pyspark"
            ):
                found.append(f"{module} imports {name}")
    return found


def write_module(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_imports_point_one_way(project_root: Path) -> None:
    assert breaches(project_root) == []


@pytest.mark.parametrize(
    ("path", "text", "breach"),
    [
        ("broker/surveys/ztf.py", "import broker.ingest.decode", "broker.ingest.decode"),
        ("broker/ingest/decode.py", "from broker import sinks", "broker.sinks"),
        (
            "broker/packets/files.py",
            "from broker.kafka.embedded.host import HOST",
            "broker.kafka.embedded.host.HOST",
        ),
        ("broker/sinks/publish.py", "from ..science import apply", "broker.science.apply"),
        ("broker/client/read.py", "def f():\n    import broker.sinks", "broker.sinks"),
        ("broker/pipeline/runner.py", "import jobs.simulate", "jobs.simulate"),
        ("broker/pipeline/runner.py", "import broker.audit.equations", "broker.audit.equations"),
        ("broker/kafka/embedded/server.py", "from pyspark.sql import Row", "pyspark.sql.Row"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, path: str, text: str, breach: str) -> None:
    write_module(tmp_path, path, text)
    module = path.removesuffix(".py").replace("/", ".")
    assert breaches(tmp_path) == [f"{module} imports {breach}"]


def test_a_package_without_a_layer_is_found(tmp_path: Path) -> None:
    write_module(tmp_path, "broker/helpers/misc.py", "")
    assert "is in no layer" in breaches(tmp_path)[0]


def test_imports_in_the_right_direction_are_no_breach(tmp_path: Path) -> None:
    write_module(tmp_path, "broker/ingest/decode.py", "from broker.surveys.base import Survey")
    write_module(tmp_path, "broker/ingest/other.py", "from . import decode\nimport pyspark")
    write_module(tmp_path, "jobs/stream2raw.py", "import broker.pipeline.runner")
    assert breaches(tmp_path) == []


def test_the_command_line_starts_without_spark(project_root: Path) -> None:
    modules = [
        f"broker.commands.{path.stem}"
        for path in sorted((project_root / "broker" / "commands").glob("*.py"))
        if path.stem != "__init__"
    ]
    code = f"import sys, {', '.join(modules)}; print('pyspark' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project_root
    )
    assert done.stdout.strip() == "False"
