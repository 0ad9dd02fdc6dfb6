"""Nights to close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from broker.archive.close import NightCloser
from broker.archive.reprocess import Reprocessor
from broker.audit.equations import audit
from broker.ingest.decoder import PacketDecoder
from broker.nights import NightRange
from broker.pipeline.ingest_batch import ingest
from broker.pipeline.science import Raw2Science
from broker.settings import Settings, load_settings
from broker.simulator.synthetic import generate
from broker.sinks.publish import Publisher
from broker.surveys import get_survey
from broker.tables.closed_nights import ClosedNight
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow, OffsetRange
from broker.tables.storage import Storage
from tests.builders import commit_batch, fill
from tests.science_rows import NIGHTS

SYNTHETIC_NIGHTS = (20240910, 20240911)
ALERTS = 120
"""Alerts of each of them."""
ARRIVAL = dt.datetime(2024, 9, 11, tzinfo=dt.UTC)
NOW = dt.datetime(2024, 9, 12, tzinfo=dt.UTC)
LATER = dt.datetime(2024, 9, 13, tzinfo=dt.UTC)


@dataclass
class Site:
    """Tables of one survey, and what is done with them."""

    spark: SparkSession
    root: Path
    runs: int = 0

    @property
    def settings(self) -> Settings:
        return load_settings("ztf", overrides=[f"storage.root={self.root}"], environ={})

    @property
    def storage(self) -> Storage:
        return Storage(self.settings.survey_root)

    def stream(self, values: Sequence[bytes], key: str, first_offset: int = 0) -> None:
        """Packets through every stage as one batch, by the code that runs live."""
        count = len(values)
        packets = pa.table(
            {
                "value": pa.array(values, pa.binary()),
                "topic": ["alerts"] * count,
                "partition": pa.array([0] * count, pa.int32()),
                "offset": pa.array(range(first_offset, first_offset + count), pa.int64()),
                "kafka_timestamp": pa.array([ARRIVAL] * count, pa.timestamp("us", "UTC")),
                "batch_time": pa.array([ARRIVAL] * count, pa.timestamp("us", "UTC")),
            }
        )
        path = self.root / f"{key}.parquet"
        pq.write_table(packets, path)
        publisher = Publisher(self.storage, "raw")
        attempt = publisher.attempt(key)
        decoder = PacketDecoder(get_survey("ztf"), self.settings.ingest, self.storage)
        done = ingest(decoder, self.spark.read.parquet(str(path)), attempt)
        end = first_offset + count
        row = LedgerRow(
            *("ztf", "raw", key, ARRIVAL, 1.0, done.read, done.written),
            quarantined=done.quarantined,
            by_night=done.by_night,
            offsets=(OffsetRange("alerts", 0, first_offset, end, end),),
        )
        publisher.finish(attempt, row)
        Raw2Science(self.spark, self.settings, lambda: None)._run(row, ARRIVAL)
        written = Ledger(self.storage).row("science", key).written
        commit_batch(self.storage, "distribute", key, read=written, batch_time=ARRIVAL)

    def reprocess(
        self, nights: NightRange | None = None, modules: Sequence[str] = (), **science: Any
    ) -> list[ClosedNight]:
        self.runs += 1  # no two runs begin at the same time
        now = LATER + dt.timedelta(minutes=self.runs)
        return self.reprocessor(modules, **science).run(nights or NightRange(), now)

    def reprocessor(self, modules: Sequence[str] = (), **science: Any) -> Reprocessor:
        settings = self.settings
        changed = settings.science.model_copy(update=science)
        return Reprocessor(
            self.spark, settings.model_copy(update={"science": changed}), tuple(modules)
        )

    def fill(self, numbers: range, n_batches: int, first: int = 0) -> list[str]:
        return fill(self.root, numbers, n_batches, first)

    def close(self, now: dt.datetime = NOW, night: int = NIGHTS[0]) -> ClosedNight | None:
        return NightCloser(self.spark, self.settings).close(night, now)

    def differences(self) -> list[str]:
        findings = audit(self.storage, deep=True)
        return [text for finding in findings for text in finding.differences]


@pytest.fixture
def site(spark: SparkSession, tmp_path: Path) -> Site:
    return Site(spark, tmp_path)


@pytest.fixture(scope="session")
def make_site(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Site]:
    return lambda: Site(spark, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def streamed(make_site: Callable[[], Site]) -> Site:
    """Two nights of synthetic packets in three batches, some sent twice, closed; to be copied."""
    site = make_site()
    first, second = (
        [packet.value for packet in generate(ALERTS, seed=night, night=night)]
        for night in SYNTHETIC_NIGHTS
    )
    site.stream(first[:70], "aaaaaaaa-000000")
    site.stream(first[60:] + second[:20], "aaaaaaaa-000001", 70)
    site.stream(second[10:] + second[-3:], "aaaaaaaa-000002", 150)
    for night in SYNTHETIC_NIGHTS:
        site.close(night=night)
    return site
