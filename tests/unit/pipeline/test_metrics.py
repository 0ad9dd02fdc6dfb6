"""Metrics: what a scrape says is what the ledger and Spark's reports say."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from broker.pipeline.metrics import QueryProgress, StageMetrics, names
from broker.tables.storage import Storage
from tests.builders import STAGES, commit_arrivals, commit_everywhere

Scrape = dict[tuple[str, ...], float]
# A progress report of Spark 4.1 over Kafka, shortened.
REPORT: dict[str, Any] = {
    "name": "raw",
    "batchId": 3,
    "durationMs": {"addBatch": 900, "latestOffset": 100, "triggerExecution": 1000},
    "sources": [
        {
            "endOffset": {"alerts": {"0": 100, "1": 90}},
            "latestOffset": {"alerts": {"0": 130, "1": 95}},
        }
    ],
}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "ztf"))


def scrape(storage: Storage, progress: QueryProgress | None = None) -> StageMetrics:
    return StageMetrics(storage, "ztf", STAGES, progress or QueryProgress())


def samples(metrics: StageMetrics) -> Scrape:
    """Name and labels (but for the survey) → value, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(metrics)
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("survey") == "ztf"
            found[sample.name, *(labels[name] for name in sorted(labels))] = sample.value
    return found


def test_batches_are_counted_from_the_start_of_the_process_on(storage: Storage) -> None:
    commit_everywhere(storage, "aaaaaaaa-000000", time.time() - 100)
    metrics = scrape(storage)
    assert ("nightjar_alerts_in_total", "raw") not in samples(metrics)
    commit_everywhere(storage, "aaaaaaaa-000001", time.time())
    for _ in range(2):  # asking again counts nothing twice
        found = samples(metrics)
        assert found["nightjar_alerts_in_total", "raw"] == 3
        assert found["nightjar_alerts_out_total", "raw"] == 2
        assert found["nightjar_alerts_out_total", "distribute"] == 2
        assert found[("nightjar_bytes_in_total",)] == 210_000
        assert found[("nightjar_repeats_total",)] == 1
        assert found["nightjar_quarantined_total", "empty"] == 1
        assert found["nightjar_module_seconds_total", "slope"] == 0.25
        assert found["nightjar_module_errors_total", "slope"] == 1
        assert found["nightjar_filter_alerts_total", "fast_risers"] == 2
        assert found["nightjar_filter_alerts_total", "hostless"] == 0


def test_latency_is_from_each_alerts_arrival_to_the_commit(storage: Storage) -> None:
    metrics = scrape(storage)
    commit_everywhere(storage, "aaaaaaaa-000000", time.time())
    found = samples(metrics)
    # 10 and 8 s before: 3 and 1 s to raw, 5 and 3 to science, 6 and 4 to the topics.
    for stage, total, buckets in (
        ("raw", 4, {"0.5": 0, "2.5": 1, "5.0": 2, "+Inf": 2}),
        ("science", 8, {"2.5": 0, "10.0": 2}),
        ("distribute", 10, {"2.5": 0, "5.0": 1, "10.0": 2}),
    ):
        assert found["nightjar_latency_seconds_sum", stage] == pytest.approx(total, abs=0.01)
        assert found["nightjar_latency_seconds_count", stage] == 2
        for bound, count in buckets.items():
            assert found["nightjar_latency_seconds_bucket", bound, stage] == count


def test_what_a_stage_has_left_to_do_is_its_lag(storage: Storage) -> None:
    now = time.time()
    metrics = scrape(storage)
    commit_everywhere(storage, "aaaaaaaa-000000", now - 60)
    commit_arrivals(storage, "raw", "aaaaaaaa-000001", [now] * 4, now - 30)
    commit_arrivals(storage, "replay", "bbbbbbbb-000000", [now], now - 20)
    found = samples(metrics)
    assert found["nightjar_lag_alerts", "science"] == 5
    assert found["nightjar_lag_seconds", "science"] == pytest.approx(30, abs=2)
    assert found["nightjar_lag_alerts", "distribute"] == 0
    assert found["nightjar_lag_seconds", "distribute"] == 0
    last = found["nightjar_last_batch_timestamp_seconds", "raw"]
    assert last == pytest.approx(now - 30, abs=0.01)


def test_sparks_reports_tell_what_waits_in_kafka_and_where_the_time_goes(storage: Storage) -> None:
    progress = QueryProgress()
    now = time.time()
    progress.take({**REPORT, "sources": [{"endOffset": None, "latestOffset": None}]}, now - 50)
    progress.take(REPORT, now)
    found = samples(scrape(storage, progress))
    assert found["nightjar_lag_alerts", "raw"] == 35
    assert found["nightjar_lag_seconds", "raw"] == pytest.approx(50, abs=2)
    assert found["nightjar_trigger_seconds_total", "addBatch", "raw"] == pytest.approx(1.8)
    assert ("nightjar_trigger_seconds_total", "triggerExecution", "raw") not in found


def test_a_batch_that_is_archived_already_counts_without_latencies(storage: Storage) -> None:
    metrics = scrape(storage)
    commit_everywhere(storage, "aaaaaaaa-000000", time.time())
    storage.delete("online/science")
    found = samples(metrics)
    assert found["nightjar_alerts_out_total", "science"] == 2
    assert found["nightjar_latency_seconds_count", "science"] == 0


# --- what reads them ----------------------------------------------------------------------------


@pytest.fixture
def monitoring(project_root: Path) -> Path:
    return project_root / "conf" / "monitoring"


def test_the_names_are_those_of_a_scrape(storage: Storage) -> None:
    metrics = scrape(storage, progress := QueryProgress())
    commit_everywhere(storage, "aaaaaaaa-000000", time.time())
    progress.take(REPORT, time.time())
    assert {name for name, *_ in samples(metrics)} == names()


def test_dashboard_and_rules_ask_for_metrics_and_stages_that_exist(monitoring: Path) -> None:
    rules = yaml.safe_load((monitoring / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((monitoring / "dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    for expression in asked:
        assert set(re.findall(r"nightjar_\w+", expression)) <= names(), expression
        assert set(re.findall(r'stage="(\w+)"', expression)) <= set(STAGES), expression
    for rule in rules:
        assert rule["annotations"].keys() == {"summary", "action"}


def test_every_metric_is_on_the_dashboard(monitoring: Path) -> None:
    text = (monitoring / "dashboard.json").read_text()
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"nightjar_\w+", text)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in names()} <= shown
