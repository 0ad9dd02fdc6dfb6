"""Batches of all stages, committed without Spark, that arrived in Kafka at known times."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from broker.sinks.publish import Publisher
from broker.tables.layout import ledger_path
from broker.tables.ledger_row import (
    FilterCount,
    LedgerRow,
    ModuleCount,
    NightCount,
    OffsetRange,
    ReasonCount,
)
from broker.tables.storage import Storage

NIGHT = 20240707
AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
STAGES = ("raw", "science", "distribute")


def commit(
    storage: Storage, stage: str, key: str, arrived: Sequence[float], committed: float, **row: Any
) -> LedgerRow:
    """Commit a batch of alerts that arrived, and was committed, at these times (s since 1970)."""
    publisher = Publisher(storage, stage)
    attempt = publisher.attempt(key)
    if stage != "distribute":
        folder = f"{attempt.table_folder(stage)}/night={NIGHT}"
        storage.make_folder(folder)
        times = pa.array([int(1e6 * at) for at in arrived], pa.timestamp("us", tz="UTC"))
        ingest = pa.StructArray.from_arrays([times], names=["kafka_timestamp"])
        pq.write_table(pa.table({"ingest": ingest}), storage.path(f"{folder}/part-0.parquet"))
    count = len(arrived)
    columns: dict[str, Any] = {
        "survey": "ztf",
        "stage": stage,
        "key": key,
        "batch_time": AT,
        "seconds": 1.5,
        "read": count,
        "written": count,
    }
    if stage != "distribute":
        columns["by_night"] = (NightCount(NIGHT, count),)
    written = LedgerRow(**columns | row)
    publisher.finish(attempt, written)
    os.utime(storage.path(ledger_path(stage, key)), (committed, committed))
    return written


def commit_everywhere(storage: Storage, key: str, now: float) -> None:
    """One batch of three packets, of which one was refused, through all stages."""
    arrived = [now - 10, now - 8]
    raw = {
        "read": 3,
        "quarantined": 1,
        "bytes_read": 210_000,
        "by_reason": (ReasonCount("empty", 1),),
        "offsets": (OffsetRange("alerts", 0, 0, 3, 3),),
    }
    commit(storage, "raw", key, arrived, now - 7, **raw)
    modules = (ModuleCount("slope", "1.0", 0.25, 1),)
    commit(storage, "science", key, arrived, now - 5, by_module=modules, repeats=1)
    filters = (FilterCount("fast_risers", "abc", 2), FilterCount("hostless", "def", 0))
    commit(storage, "distribute", key, arrived, now - 4, by_filter=filters)
