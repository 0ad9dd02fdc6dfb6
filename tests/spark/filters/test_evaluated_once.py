"""What many filters cost: each condition compiled, and computed once for an alert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from broker.pipeline.outgoing import Packets
from broker.surveys import get_survey
from tests.spark.filters.conftest import Tables, write_filter

WHERES = {f"bright_{k}": f"mag < {18 + k} AND n_detections > {k}" for k in range(3)}


def test_alerts_are_chosen_and_marked_by_one_evaluation(ztf: Tables, tmp_path: Path) -> None:
    for name, where in WHERES.items():
        write_filter(tmp_path, name, where)
    loaded = ztf.filter_set(tmp_path)
    packets = Packets(get_survey("ztf"), ztf.schema, loaded.filters)
    rows = packets.rows(loaded.evaluate(ztf.rows), lambda columns: ztf.rows)
    plan = rows._jdf.queryExecution().optimizedPlan()
    text = "\n".join(expressions(plan))
    assert text.count("tryeval") == len(WHERES)
    assert "lambda" not in text
    sent = {row["alert_id"] for row in rows.collect()}
    assert sent == set().union(*map(ztf.selected_by_duckdb, WHERES.values()))


def expressions(plan: Any) -> Iterator[str]:
    """All expressions of a plan in words; a plan's own text leaves most of many out."""
    yield from (str(one.toString()).lower() for one in _items(plan.expressions()))
    for child in _items(plan.children()):
        yield from expressions(child)


def _items(sequence: Any) -> Iterator[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()
