"""What many filters cost: each condition compiled, and computed once for an alert."""

from __future__ import annotations

from pathlib import Path

from broker.pipeline.outgoing import Packets
from broker.spark.jvm import items, plan_nodes
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
    expressions = [one for node in plan_nodes(plan) for one in items(node.expressions())]
    text = "\n".join(str(one.toString()).lower() for one in expressions)
    assert text.count("tryeval") == len(WHERES)
    assert "lambda" not in text
    sent = {row["alert_id"] for row in rows.collect()}
    assert sent == set().union(*map(ztf.selected_by_duckdb, WHERES.values()))
