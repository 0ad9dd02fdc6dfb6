"""Batches with Kafka positions, published without Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from broker.sinks.publish import Attempt, Publisher
from broker.tables.ledger_row import LedgerRow, NightCount, OffsetRange
from broker.tables.storage import Storage

TOPIC = "alerts"
ARRIVAL_NIGHT = 20240708
BATCH_TIME = dt.datetime(2024, 7, 7, tzinfo=dt.UTC)
_POSITION = pa.struct([("topic", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())])
_QUARANTINE = pa.schema(
    [
        *[(name, pa.string()) for name in ("survey", "stage", "reason", "detail", "topic")],
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", tz="UTC")),
        ("value", pa.binary()),
        ("alert_id", pa.int64()),
    ]
)


def publish(
    storage: Storage,
    key: str,
    nights: Mapping[int, Sequence[int]],
    refused: Mapping[int, str] | None = None,
    stage: str = "raw",
    **row: Any,
) -> LedgerRow:
    """Publish a batch: offsets of its raw rows by night, and of refused ones with their reason.

    Columns of its ledger row are true unless they are given.
    """
    refused = refused or {}
    publisher = Publisher(storage, stage)
    attempt = publisher.attempt(key)
    for night, offsets in nights.items():
        positions = [{"topic": TOPIC, "partition": 0, "offset": offset} for offset in offsets]
        rows = {"alert_id": list(offsets), "ingest": pa.array(positions, _POSITION)}
        _write(attempt, f"raw/night={night}", pa.table(rows))
    if refused:
        packets = [_refused(offset, reason) for offset, reason in refused.items()]
        table = pa.Table.from_pylist(packets, schema=_QUARANTINE)
        _write(attempt, f"quarantine/night={ARRIVAL_NIGHT}", table)
    ledger_row = _ledger_row(key, nights, refused, stage, row)
    publisher.finish(attempt, ledger_row)
    return ledger_row


def _write(attempt: Attempt, folder: str, rows: pa.Table) -> None:
    path = f"{attempt.folder}/{folder}"
    attempt.storage.make_folder(path)
    pq.write_table(rows, attempt.storage.path(f"{path}/part-0.parquet"))


def _refused(offset: int, reason: str) -> dict[str, Any]:
    return {
        "survey": "ztf",
        "stage": "raw",
        "reason": reason,
        "detail": f"because of {reason}",
        "topic": TOPIC,
        "partition": 0,
        "offset": offset,
        "kafka_timestamp": dt.datetime(2024, 7, 8, tzinfo=dt.UTC),
        "value": b"bytes of %d" % offset,
        "alert_id": None,
    }


def _ledger_row(
    key: str,
    nights: Mapping[int, Sequence[int]],
    refused: Mapping[int, str],
    stage: str,
    changed: Mapping[str, Any],
) -> LedgerRow:
    offsets = sorted([*refused, *(offset for night in nights.values() for offset in night)])
    written = sum(len(night) for night in nights.values())
    true: dict[str, Any] = {
        "survey": "ztf",
        "stage": stage,
        "key": key,
        "batch_time": BATCH_TIME,
        "seconds": 1.0,
        "read": written + len(refused),
        "written": written,
        "quarantined": len(refused),
        "offsets": (OffsetRange(TOPIC, 0, offsets[0], offsets[-1] + 1, offsets[-1] + 1),),
        "by_night": tuple(NightCount(night, len(rows)) for night, rows in nights.items()),
    }
    return LedgerRow(**true | dict(changed))
