"""Ingest bytes as one batch, without Kafka, and read what was staged."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from broker.ingest.decoder import PacketDecoder
from broker.pipeline.ingest_batch import Ingested, ingest
from broker.settings import load_settings
from broker.sinks.publish import Attempt
from broker.surveys import get_survey
from broker.tables.storage import Storage

ARRIVAL = dt.datetime(2027, 1, 1, 5, tzinfo=dt.UTC)
_PACKETS = pa.schema(
    [
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", tz="UTC")),
        ("batch_time", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True)
class Batch:
    """What became of a batch of messages; a message's Kafka offset is its place in the batch."""

    counted: Ingested
    storage: Storage
    attempt: Attempt

    def raw(self, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Rows of the raw table, by offset."""
        return sorted(self._rows("raw", columns), key=lambda row: row["ingest"]["offset"])

    def quarantine(self) -> list[dict[str, Any]]:
        """Rows of the quarantine, by offset."""
        return sorted(self._rows("quarantine", None), key=lambda row: row["offset"])

    def reasons(self) -> dict[int, str]:
        """Why each refused message was refused, by offset."""
        return {row["offset"]: row["reason"] for row in self.quarantine()}

    def offsets(self) -> list[int]:
        """Offsets of the raw rows, sorted; one that is there twice is listed twice."""
        return [row["ingest"]["offset"] for row in self.raw(["ingest"])]

    def _rows(self, table: str, columns: Sequence[str] | None) -> list[dict[str, Any]]:
        folder = self.attempt.table_folder(table)
        if not list(Path(self.storage.path(folder)).glob("night=*")):
            return []
        staged = ds.dataset(
            self.storage.path(folder),
            format="parquet",
            partitioning=ds.partitioning(pa.schema([("night", pa.int32())]), flavor="hive"),
        )
        rows: list[dict[str, Any]] = staged.to_table(columns=columns).to_pylist()
        return rows


class Ingester:
    """Ingests batches of messages into one survey's folder, as stream2raw would.

    The decoder is kept from batch to batch, and so are the headers that it has learnt.
    """

    def __init__(
        self, spark: SparkSession, folder: Path, survey: str, words: Sequence[str]
    ) -> None:
        settings = load_settings(survey, overrides=words, environ={})
        self.storage = Storage(str(folder))
        self.decoder = PacketDecoder(get_survey(survey), settings.ingest, self.storage)
        self._spark = spark
        self._folder = folder

    def __call__(
        self, values: Sequence[bytes | None], arrival: dt.datetime = ARRIVAL, files: int = 1
    ) -> Batch:
        """Ingest one batch; it reaches Spark in so many files, and no fewer tasks."""
        packets = pa.table(
            {
                "value": list(values),
                "topic": ["alerts"] * len(values),
                "partition": [0] * len(values),
                "offset": range(len(values)),
                "kafka_timestamp": [arrival] * len(values),
                "batch_time": [arrival] * len(values),
            },
            schema=_PACKETS,
        )
        self._folder.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="packets-", dir=self._folder))
        step = max(1, -(-len(values) // files))
        for start in range(0, max(1, len(values)), step):
            pq.write_table(packets.slice(start, step), folder / f"{start}.parquet")
        attempt = Attempt(self.storage, "raw", folder.name)
        counted = ingest(self.decoder, self._spark.read.parquet(str(folder)), attempt)
        return Batch(counted, self.storage, attempt)
