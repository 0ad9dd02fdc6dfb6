"""JSON that leaves the program: valid for every reader, and no number changed."""

from __future__ import annotations

import ast
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from broker.strict_json import as_strict_json


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ([float("nan"), {"a": float("-inf")}], [None, {"a": None}]),
        ((2**53, 2**53 + 1, -(2**60)), [2**53, "9007199254740993", "-1152921504606846976"]),
        ({"curve": [{"alert_id": 2**60}]}, {"curve": [{"alert_id": "1152921504606846976"}]}),
        ([Decimal("12"), Decimal("0.5"), Decimal(2**60)], [12, 0.5, "1152921504606846976"]),
        ([True, None, "é", b"abc"], [True, None, "é", "<3 bytes>"]),
        (dt.datetime(2024, 9, 10, tzinfo=dt.UTC), "2024-09-10T00:00:00+00:00"),
        (Path("night.avro"), "night.avro"),
    ],
)
def test_values_at_any_depth_are_strict_json(value: object, read: object) -> None:
    assert json.loads(as_strict_json(value), parse_constant=pytest.fail) == read


def test_what_people_and_programs_are_shown_is_strict_json(project_root: Path) -> None:
    broker = project_root / "broker"
    shown = [
        path for name in ("commands", "client", "query") for path in broker.glob(f"{name}/*.py")
    ]
    assert shown
    for path in [*shown, broker / "logs.py"]:
        nodes = ast.walk(ast.parse(path.read_text()))
        names = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert not names & {"json.dumps", "json.dump"}, path
