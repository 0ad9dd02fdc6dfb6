"""Names on disk and on the wire are those of the previous version: others rely on them.

What new files and messages look like, is compared by tests/e2e/test_previous_version.py.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from broker.pipeline.metrics import names as metric_names
from tests.previous_version import leaves, names

ROOT = Path(__file__).resolve().parents[2]
NAMES = names()


@cache
def sources() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted((ROOT / "broker").rglob("*.py"))}


@cache
def texts() -> frozenset[str]:
    """Every text in the code, and every fixed part of a text with values in it."""
    nodes = (node for tree in sources().values() for node in ast.walk(tree))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return frozenset(value for value in values if isinstance(value, str))


def constant(name: str) -> Any:
    """Value of a module's constant, whichever module has it."""
    for path, tree in sources().items():
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                return getattr(importlib.import_module(module), name)
    raise AssertionError(f"no module of broker defines {name}")


@pytest.mark.parametrize(
    ("table", "schema"), [("ledger", "LEDGER_SCHEMA"), ("closed", "CLOSED_SCHEMA")]
)
def test_the_ledger_keeps_its_columns_and_types(table: str, schema: str) -> None:
    columns = dict(leaves(constant(schema)))
    assert {name: columns.get(name) for name in NAMES["columns"][table]} == NAMES["columns"][table]


def test_every_metric_keeps_its_name() -> None:
    assert metric_names() >= {*NAMES["metrics"]}


@pytest.mark.parametrize("what", ["reasons", "stages", "marker_keys", "message_headers"])
def test_codes_in_tables_and_messages_stay(what: str) -> None:
    assert texts() >= {*NAMES[what]}


def test_groups_keep_the_beginnings_that_a_secure_kafka_allows() -> None:
    ours = {name.partition("<")[0] for name in NAMES["groups"] if name.startswith("nightjar-")}
    assert ours
    assert texts() >= ours
