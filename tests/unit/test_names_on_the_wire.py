"""Names on disk and on the wire never change: another would send batches again or lose readers."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa

from broker.kafka.topic_names import marker_topic, topic_of
from broker.pipeline import metrics
from broker.pipeline.distribute import transactional_id
from broker.pipeline.routes import Route, filter_headers
from broker.sinks.marker_topic import (
    TOPIC_CONFIG,
    SentFilter,
    batch_message,
    filter_messages,
)
from broker.tables import stages
from broker.tables.ledger_row import LEDGER_SCHEMA, FilterCount, LedgerRow

MARKER = "nightjar_ztf_published"


def test_the_marker_topic_keeps_its_name_and_is_compacted() -> None:
    assert marker_topic("nightjar", "ztf") == MARKER
    assert TOPIC_CONFIG["cleanup.policy"] == "compact"


def test_a_filters_topic_carries_its_survey_once() -> None:
    assert topic_of("nightjar", "elasticc", "snia") == "nightjar_elasticc_snia"


def test_the_message_of_a_batch_keeps_its_keys() -> None:
    at = dt.datetime(2024, 9, 10, tzinfo=dt.UTC)
    row = LedgerRow(
        survey="ztf",
        stage="distribute",
        key="k",
        batch_time=at,
        seconds=1.5,
        read=3,
        written=2,
        by_filter=(FilterCount("bright", "aa", 2),),
    )
    message = batch_message(MARKER, row)
    assert message.key == b"batch:k"
    assert json.loads(message.value) == {
        "survey": "ztf",
        "batch": "k",
        "batch_time": "2024-09-10T00:00:00+00:00",
        "seconds": 1.5,
        "read": 3,
        "messages": 2,
        "filters": [{"name": "bright", "digest": "aa", "matched": 2}],
    }


def test_the_message_of_a_filter_keeps_its_keys() -> None:
    bright = SentFilter("bright", "nightjar_ztf_bright", "aa", "Bright.", "full", "f0")
    (message,) = filter_messages(MARKER, {}, [bright])
    assert message.key == b"filter:bright"
    assert json.loads(message.value) == {
        "name": "bright",
        "topic": "nightjar_ztf_bright",
        "digest": "aa",
        "description": "Bright.",
        "payload": "full",
        "schema_fingerprint": "f0",
        "active": True,
    }


def test_the_transactional_id_of_distribute_stays() -> None:
    assert transactional_id("ztf") == "nightjar-ztf-distribute"


def test_the_headers_of_alerts_stay() -> None:
    bright = SentFilter("bright", "nightjar_ztf_bright", "aa", "Bright.", "full", "f0")
    route = Route(bright, partitions=1, key=b"schema", headers=filter_headers(bright))
    message = route.message({"alert_id": 7, "object_id": "ZTF1", "full": b"datum"})
    assert dict(message.headers) == {
        "alert_id": b"7",
        "object_id": b"ZTF1",
        "filter": b"bright",
        "filter_digest": b"aa",
        "schema_fingerprint": b"f0",
    }


def test_the_columns_of_the_ledger_stay() -> None:
    nested = {
        field.name: field.type.value_type.names
        for field in LEDGER_SCHEMA
        if pa.types.is_list(field.type)
    }
    plain = [name for name in LEDGER_SCHEMA.names if name not in nested]
    assert plain == [
        *("survey", "stage", "key", "upstream", "read", "written", "quarantined", "repeats"),
        *("repeats_that_differ", "bytes_read", "batch_time", "seconds"),
    ]
    assert nested == {
        "offsets": ["topic", "partition", "from", "until", "end"],
        "by_night": ["night", "written", "quarantined", "repeats", "repeats_that_differ"],
        "by_reason": ["reason", "packets"],
        "by_filter": ["name", "digest", "matched"],
        "by_module": ["name", "version", "seconds", "failures"],
    }


def test_the_names_of_the_stages_stay() -> None:
    assert (*stages.INGEST, *stages.AFTER_INGEST, stages.ARCHIVE) == (
        *("raw", "replay", "science", "distribute", "archive"),
    )


def test_the_names_of_the_metrics_stay() -> None:
    counters = ("alerts_in", "alerts_out", "bytes_in", "repeats", "filter_alerts", "quarantined")
    counters += ("module_seconds", "module_errors", "trigger_seconds")
    histograms = ("batch_seconds", "latency_seconds")
    assert metrics.names() >= {
        *(f"nightjar_{name}_total" for name in counters),
        *(f"nightjar_{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")),
        *("nightjar_lag_alerts", "nightjar_lag_seconds", "nightjar_query_active"),
        "nightjar_last_batch_timestamp_seconds",
    }
