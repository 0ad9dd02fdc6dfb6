"""Builder of committed batches, made without Spark or Kafka, and the batches that tests commit.

`commit_batch` writes tables and the ledger row that belongs to them; everything else here says
which rows. The values of rows are those of `tests.science_rows`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from broker.sinks.publish import Attempt, Publisher
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
from tests.science_rows import AT, on_the_sky, raw_rows, science_rows

NIGHT = 20240707
TOPIC = "alerts"
STAGES = ("raw", "science", "distribute")


# --- any batch -----------------------------------------------------------------------------------


def commit_batch(
    storage: Storage,
    stage: str,
    key: str,
    tables: Mapping[str, pa.Table] | None = None,
    files: int = 1,
    committed: float | None = None,
    **columns: Any,
) -> LedgerRow:
    """Commit a batch; return its ledger row.

    Parameters
    ----------
    storage
        The survey's folder.
    stage
        Stage name, as in the ledger.
    key
        The batch, "<8 hex digits>-<6 digits>".
    tables
        Rows by table (raw, science, quarantine), with a column ``night``.
    files
        Per night and table.
    committed
        Time of the commit, in seconds since 1970; by default now.
    columns
        Of the ledger row, instead of those that follow from the tables.
    """
    tables = tables or {}
    publisher = Publisher(storage, stage)
    attempt = publisher.attempt(key)
    for table, rows in tables.items():
        stage_rows(attempt, table, rows, files)
    row = LedgerRow(**_columns(stage, key, tables) | columns)
    publisher.finish(attempt, row)
    if committed is not None:
        os.utime(storage.path(ledger_path(stage, key)), (committed, committed))
    return row


def stage_rows(attempt: Attempt, table: str, rows: pa.Table, files: int = 1) -> None:
    """Write rows, which have a column ``night``, to a staged table."""
    for night in rows["night"].unique().to_pylist():
        chosen = rows.filter(pc.equal(rows["night"], night)).drop_columns(["night"])
        folder = f"{attempt.table_folder(table)}/night={night}"
        attempt.storage.make_folder(folder)
        size = -(-chosen.num_rows // files)
        for k in range(files):
            path = attempt.storage.path(f"{folder}/part-{k}.parquet")
            pq.write_table(chosen.slice(k * size, size), path, compression="zstd")


def _columns(stage: str, key: str, tables: Mapping[str, pa.Table]) -> dict[str, Any]:
    """Columns of the ledger row that follow from a batch's tables."""
    written = [rows for table, rows in tables.items() if table != "quarantine"]
    refused = tables["quarantine"].num_rows if "quarantine" in tables else 0
    n_written = sum(rows.num_rows for rows in written)
    return {
        "survey": "ztf",
        "stage": stage,
        "key": key,
        "batch_time": AT,
        "seconds": 1.0,
        "read": n_written + refused,
        "written": n_written,
        "quarantined": refused,
        "by_night": tuple(count for rows in written for count in _by_night(rows)),
    }


def _by_night(rows: pa.Table) -> list[NightCount]:
    counts = rows["night"].value_counts().to_pylist()
    return sorted(
        (NightCount(count["values"], count["counts"]) for count in counts), key=lambda c: c.night
    )


def offsets_of(rows: pa.Table) -> tuple[OffsetRange, ...]:
    """Ranges of the Kafka offsets in the rows' column ``ingest``, by topic and partition."""
    found: dict[tuple[str, int], list[int]] = {}
    for position in rows["ingest"].to_pylist():
        partition = position["topic"], position["partition"]
        found.setdefault(partition, []).append(position["offset"])
    return tuple(
        OffsetRange(*partition, min(offsets), max(offsets) + 1, max(offsets) + 1)
        for partition, offsets in sorted(found.items())
    )


# --- batches of science rows ---------------------------------------------------------------------

REPEAT_EVERY = 10


def write_batches(
    root: Path, survey: str, batches: Sequence[pa.Table], first: int = 0, raw: bool = False
) -> list[str]:
    """Commit science batches, and raw ones of the same alerts; return their keys."""
    storage = Storage(str(root / survey))
    keys = [f"abcdef01-{first + k:06d}" for k in range(len(batches))]
    for key, table in zip(keys, batches, strict=True):
        if raw:
            rows = raw_rows(survey, table)
            offsets = offsets_of(rows)
            commit_batch(storage, "raw", key, {"raw": rows}, 2, survey=survey, offsets=offsets)
        commit_batch(storage, "science", key, {"science": table}, 2, survey=survey)
    return keys


def fill(root: Path, numbers: Sequence[int], n_batches: int, first: int = 0) -> list[str]:
    """Commit alerts of these numbers in batches of raw, science and distribute; their keys."""
    keys = []
    for k, part in enumerate(np.array_split(np.asarray(numbers), n_batches)):
        key = f"abcdef01-{first + k:06d}"
        science = on_the_sky(science_rows("ztf", part.tolist()))
        commit_alerts(Storage(str(root / "ztf")), key, science)
        keys.append(key)
    return keys


def commit_alerts(
    storage: Storage, key: str, science: pa.Table, stages: Sequence[str] = STAGES
) -> None:
    """Commit a batch of these science rows in some stages; raw has every tenth of them twice."""
    raw = _raw_with_duplicates(science, key)
    counts = zip(_by_night(science), _by_night(raw), strict=True)
    nights = [(c.night, c.written, total.written - c.written) for c, total in counts]
    if "raw" in stages:
        commit_batch(storage, "raw", key, {"raw": raw}, offsets=offsets_of(raw))
    if "science" in stages:
        commit_batch(
            storage,
            "science",
            key,
            {"science": science},
            read=raw.num_rows,
            repeats=raw.num_rows - science.num_rows,
            by_night=tuple(NightCount(night, n, repeats=more) for night, n, more in nights),
            by_module=(ModuleCount("slope", "1.0", 0.1, 0),),
        )
    if "distribute" in stages:
        commit_batch(storage, "distribute", key, read=science.num_rows)


def _raw_with_duplicates(science: pa.Table, key: str) -> pa.Table:
    """Raw rows of science rows, every tenth of them again in a topic of its own."""
    raw = raw_rows("ztf", science)
    for name in ("object_id", "healpix29", "candidate"):
        raw = raw.append_column(science.schema.field(name), science[name])
    again = raw.take(list(range(0, raw.num_rows, REPEAT_EVERY)))
    moved = [
        {**old, "topic": f"again_{key}", "partition": 0, "offset": offset}
        for offset, old in enumerate(again["ingest"].to_pylist())
    ]
    index, field = again.schema.get_field_index("ingest"), again.schema.field("ingest")
    return pa.concat_tables([raw, again.set_column(index, field, pa.array(moved, field.type))])


# --- batches of Kafka positions ------------------------------------------------------------------

ARRIVAL_NIGHT = 20240708
_POSITION = pa.struct([("topic", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())])
_QUARANTINE = pa.schema(
    [
        *[(name, pa.string()) for name in ("survey", "stage", "reason", "detail", "topic")],
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", tz="UTC")),
        ("value", pa.binary()),
        ("alert_id", pa.int64()),
        ("night", pa.int32()),
    ]
)


def commit_offsets(
    storage: Storage,
    key: str,
    nights: Mapping[int, Sequence[int]],
    refused: Mapping[int, str] | None = None,
    stage: str = "raw",
    **columns: Any,
) -> LedgerRow:
    """Commit a batch of partition 0: offsets of raw rows by night, of refused ones by reason."""
    refused = refused or {}
    pairs = [(night, offset) for night, offsets in nights.items() for offset in offsets]
    positions = [{"topic": TOPIC, "partition": 0, "offset": offset} for _, offset in pairs]
    offsets = [offset for _, offset in pairs]
    rows = pa.table(
        {
            "alert_id": offsets,
            "ingest": pa.array(positions, _POSITION),
            "night": pa.array([night for night, _ in pairs], pa.int32()),
        }
    )
    tables = {"raw": rows}
    if refused:
        packets = [_refused(offset, reason) for offset, reason in refused.items()]
        tables["quarantine"] = pa.Table.from_pylist(packets, schema=_QUARANTINE)
    covered = [*offsets, *refused]
    end = max(covered) + 1
    span = OffsetRange(TOPIC, 0, min(covered), end, end)
    return commit_batch(storage, stage, key, tables, **{"offsets": (span,)} | columns)


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
        "night": ARRIVAL_NIGHT,
    }


# --- batches of arrival times --------------------------------------------------------------------


def commit_arrivals(
    storage: Storage, stage: str, key: str, arrived: Sequence[float], committed: float, **row: Any
) -> LedgerRow:
    """Commit a batch of alerts that arrived, and was committed, at these times (s since 1970)."""
    times = pa.array([int(1e6 * at) for at in arrived], pa.timestamp("us", tz="UTC"))
    ingest = pa.StructArray.from_arrays([times], names=["kafka_timestamp"])
    rows = pa.table({"ingest": ingest, "night": pa.array([NIGHT] * len(times), pa.int32())})
    columns = {"seconds": 1.5, "read": len(times), "written": len(times)} | row
    # A replay's alerts are raw rows.
    table = {"raw": "raw", "replay": "raw", "science": "science"}.get(stage)
    tables = {table: rows} if table else None
    return commit_batch(storage, stage, key, tables, committed=committed, **columns)


def commit_everywhere(storage: Storage, key: str, now: float) -> None:
    """One batch of three packets, of which one was refused, through all stages."""
    arrived = [now - 10, now - 8]
    raw = {
        "read": 3,
        "quarantined": 1,
        "bytes_read": 210_000,
        "by_reason": (ReasonCount("empty", 1),),
        "offsets": (OffsetRange(TOPIC, 0, 0, 3, 3),),
    }
    commit_arrivals(storage, "raw", key, arrived, now - 7, **raw)
    modules = (ModuleCount("slope", "1.0", 0.25, 1),)
    commit_arrivals(storage, "science", key, arrived, now - 5, by_module=modules, repeats=1)
    filters = (FilterCount("fast_risers", "abc", 2), FilterCount("hostless", "def", 0))
    commit_arrivals(storage, "distribute", key, arrived, now - 4, by_filter=filters)


# --- a ledger row of its own ---------------------------------------------------------------------


def row(key: str, start: int = 0, **columns: Any) -> LedgerRow:
    """Ledger row of a raw batch: six records of one partition, of which one was refused."""
    plain: dict[str, Any] = {
        "survey": "ztf",
        "stage": "raw",
        "key": key,
        "batch_time": dt.datetime(2024, 7, 7, tzinfo=dt.UTC),
        "seconds": 1.5,
        "read": 6,
        "written": 5,
        "quarantined": 1,
        "offsets": (OffsetRange(TOPIC, 0, start, start + 6, start + 6),),
        "by_night": (NightCount(20240706, 3), NightCount(NIGHT, 2)),
        "by_reason": (ReasonCount("empty", 1),),
    }
    return LedgerRow(**plain | columns)


# --- the tables as a reader finds them -----------------------------------------------------------


def put_online(root: Path, key: str, rows: pa.Table | Mapping[int, pa.Table]) -> None:
    """Commit a science batch, of `NIGHT` or with rows by night, below a survey's folder."""
    by_night = rows if isinstance(rows, Mapping) else {NIGHT: rows}
    parts = [
        table.append_column("night", pa.array([night] * table.num_rows, pa.int32()))
        for night, table in by_night.items()
    ]
    commit_batch(Storage(str(root)), "science", key, {"science": pa.concat_tables(parts)})


def put_archive(
    root: Path, batches: dict[str, pa.Table], version: str = "aaaaaaaa", night: int = NIGHT
) -> None:
    """Add a file to the archive, as archive_night does; a batch without rows is named as well."""
    parts = [table.append_column("batch", [[key] * len(table)]) for key, table in batches.items()]
    table = pa.concat_tables(parts).sort_by("healpix29")
    fields = {"fields": [{"name": "batch", "metadata": {"batches": sorted(batches)}}]}
    name = "org.apache.spark.sql.parquet.row.metadata"
    folder = root / f"archive/science/night={night}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{version}-00000.parquet"
    pq.write_table(table.replace_schema_metadata({name: json.dumps(fields)}), path)
