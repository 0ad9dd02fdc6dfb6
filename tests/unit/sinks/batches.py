"""Batches staged without Spark, and what a reader of the tables sees."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from broker.sinks.publish import Attempt
from broker.tables.ledger_row import LedgerRow, NightCount, OffsetRange, ReasonCount

STAGE = "raw"
# Rows of a batch: ids by night for the raw table, one packet for the quarantine.
RAW = {20240706: [1, 2, 3], 20240707: [4, 5]}
QUARANTINE = {20240708: [6]}


def stage(attempt: Attempt) -> None:
    """Stage the rows of `RAW` and `QUARANTINE`."""
    for table, nights in (("raw", RAW), ("quarantine", QUARANTINE)):
        for night, ids in nights.items():
            folder = f"{attempt.table_folder(table)}/night={night}"
            attempt.storage.make_folder(folder)
            rows = pa.table({"id": ids, "reason": ["empty"] * len(ids)})
            pq.write_table(rows, attempt.storage.path(f"{folder}/part-0.parquet"))


def row(key: str, start: int = 0, **others: Any) -> LedgerRow:
    """The ledger row of such a batch, of six records of one partition."""
    columns: dict[str, Any] = {
        "survey": "ztf",
        "stage": STAGE,
        "key": key,
        "batch_time": dt.datetime(2024, 7, 7, tzinfo=dt.UTC),
        "seconds": 1.5,
        "read": 6,
        "written": 5,
        "quarantined": 1,
        "offsets": (OffsetRange("alerts", 0, start, start + 6, start + 6),),
        "by_night": tuple(NightCount(night, len(ids)) for night, ids in RAW.items()),
        "by_reason": (ReasonCount("empty", 1),),
    }
    return LedgerRow(**columns | others)


def visible(root: Path, key: str) -> dict[str, list[int]]:
    """Ids of a batch that DuckDB, which reads hidden folders too, finds in each table."""
    found = {}
    for table, area in (("raw", "online/raw"), ("quarantine", "quarantine")):
        files = list((root / area).rglob("*.parquet"))
        query = f"SELECT id FROM read_parquet(?) WHERE batch = '{key}' ORDER BY id"
        names = [str(path) for path in files]
        rows = duckdb.execute(query, [names]).fetchall() if names else []
        found[table] = [id_ for (id_,) in rows]
    return found
