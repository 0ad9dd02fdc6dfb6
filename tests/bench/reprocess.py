"""Throughput of reprocessing closed nights, from one night to eight.

    bin/bench reprocess [--alerts 10000]

Raw rows are synthetic packets with whole histories; all modules run, from the raw table, and the
new science rows are swapped in. Then one module alone, from the science rows.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from broker.archive.close import NightCloser
from broker.archive.reprocess import Reprocessor
from broker.nights import NightRange
from broker.pipeline.science import Raw2Science
from broker.settings import Settings, load_settings
from broker.simulator.synthetic import generate
from broker.sinks.publish import Publisher
from broker.spark.session import build_session
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow, NightCount, OffsetRange
from broker.tables.storage import Storage
from tests.recorded_packets import raw_table

SURVEY = "ztf"
NIGHTS = [20240901 + k for k in range(8)]
AT = dt.datetime(2024, 9, 12, tzinfo=dt.UTC)
PACKETS = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="bin/bench reprocess", description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000, help="a night")
    n_alerts = parser.parse_args().alerts
    with tempfile.TemporaryDirectory() as folder:
        spark = build_session("bench reprocess")
        settings = load_settings(SURVEY, overrides=[f"storage.root={folder}"])
        close_nights(spark, settings, n_alerts)
        print(f"load {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores")
        for n_nights in (1, 2, 4, 8):
            measure(spark, settings, n_nights, n_alerts)
        measure(spark, settings, 8, n_alerts, ("slope",))
        spark.stop()


def measure(
    spark: SparkSession,
    settings: Settings,
    n_nights: int,
    n_alerts: int,
    modules: tuple[str, ...] = (),
) -> None:
    began = time.perf_counter()
    span = NightRange(NIGHTS[0], NIGHTS[n_nights - 1])
    Reprocessor(spark, settings, modules).run(span, dt.datetime.now(dt.UTC))
    seconds = time.perf_counter() - began
    what = ", ".join(modules) or "all modules"
    print(
        f"{n_nights} nights, {what}: {seconds:.1f} s, {n_nights * n_alerts / seconds:.0f} alerts/s"
    )


def close_nights(spark: SparkSession, settings: Settings, n_alerts: int) -> None:
    """Commit raw rows of every night, run science on them, close them."""
    records = [read(packet.value) for packet in generate(PACKETS, seed=1)]
    base = raw_table(records, SURVEY).drop_columns(["night"])
    storage = Storage(settings.survey_root)
    for number, night in enumerate(NIGHTS):
        copies = -(-n_alerts // PACKETS)
        parts = [shifted(base, number * copies + k) for k in range(copies)]
        rows = pa.concat_tables(parts).slice(0, n_alerts)
        key = f"abcdef01-{number:06d}"
        row = commit_raw(storage, night, key, rows)
        Raw2Science(spark, settings, lambda: None)._run(row, AT)
        publisher = Publisher(storage, "distribute")
        sent = LedgerRow(SURVEY, "distribute", key, AT, 1.0, n_alerts, 0)
        publisher.finish(publisher.attempt(key), sent)
        NightCloser(spark, settings).close(night, AT)


def read(value: bytes) -> dict[str, Any]:
    (record,) = fastavro.reader(io.BytesIO(value))
    return {name: field for name, field in record.items() if not name.startswith("cutout")}


def shifted(rows: pa.Table, number: int) -> pa.Table:
    """The same alerts with ids and places in Kafka of their own."""
    first = 2_800_000_000_000_000_000 + number * PACKETS
    ids = pa.array(range(first, first + rows.num_rows), pa.int64())
    places = rows["ingest"].combine_chunks()
    offsets = pa.array(range(number * PACKETS, (number + 1) * PACKETS), pa.int64())
    fields = {f.name: places.field(f.name) for f in places.type} | {"offset": offsets}
    moved = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    for name, column in (("alert_id", ids), ("ingest", moved)):
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def commit_raw(storage: Storage, night: int, key: str, rows: pa.Table) -> LedgerRow:
    publisher = Publisher(storage, "raw")
    attempt = publisher.attempt(key)
    folder = f"{attempt.table_folder('raw')}/night={night}"
    storage.make_folder(folder)
    pq.write_table(rows, Path(storage.path(folder)) / "part-0.parquet", compression="zstd")
    n = rows.num_rows
    row = LedgerRow(
        *(SURVEY, "raw", key, AT, 1.0, n, n),
        by_night=(NightCount(night, n),),
        offsets=(OffsetRange("alerts", 0, 0, n, n),),
    )
    publisher.finish(attempt, row)
    return Ledger(storage).row("raw", key)


if __name__ == "__main__":
    main()
