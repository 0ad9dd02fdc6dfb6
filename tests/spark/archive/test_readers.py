"""Readers who know nothing of us see whole nights while these stream in, close and are reprocessed.

Spark, DuckDB, pyarrow and pandas poll every table. Whatever one of them finds in a night of a table
must be what that night held before or after one of our steps: never a part, never a mix of two
versions, and no error that asking again does not clear. `Archive` moreover sees no row twice.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from broker.archive.tidy import remove_taken_batches
from broker.query import Archive
from tests.builders import commit_alerts, fill
from tests.science_rows import NIGHTS, on_the_sky, science_rows
from tests.spark.archive.conftest import NOW, Site

AREAS = ("online/raw", "online/science", "archive/raw", "archive/science")
BOTH = "archive and online"
TRIES = 20
Row = tuple[Any, ...]
"""Alert id, batch, and of science rows when they were computed."""
Nights = dict[int, list[Row]]
Reader = Callable[[str], list[tuple[Any, ...]]]


def columns_of(area: str) -> list[str]:
    names = ["night", "alert_id", "batch"]
    return [*names, "science_at"] if area.endswith("science") else names


def readers(spark: SparkSession, root: Path) -> dict[str, Reader]:
    """Rows of an area as each tool reads them by itself: night, then those of `Row`."""

    def by_duckdb(area: str) -> list[tuple[Any, ...]]:
        files = f"read_parquet('{root}/{area}/**/*.parquet', hive_partitioning = true)"
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(f"SELECT {', '.join(columns_of(area))} FROM {files}").fetchall()

    def by_pyarrow(area: str) -> list[tuple[Any, ...]]:
        table = ds.dataset(f"{root}/{area}", partitioning="hive").to_table(columns_of(area))
        return [tuple(row.values()) for row in table.to_pylist()]

    def by_pandas(area: str) -> list[tuple[Any, ...]]:
        frame = pd.read_parquet(f"{root}/{area}", columns=columns_of(area))
        return list(frame[columns_of(area)].itertuples(index=False, name=None))

    def by_spark(area: str) -> list[tuple[Any, ...]]:
        rows = spark.read.parquet(f"{root}/{area}").select(columns_of(area))
        return [tuple(row.values()) for row in rows.toArrow().to_pylist()]

    return {
        "duckdb": by_duckdb,
        "pyarrow": by_pyarrow,
        "pandas": by_pandas,
        "spark": by_spark,
    }


def by_night(rows: list[tuple[Any, ...]]) -> Nights:
    """Plain values, sorted, whatever types a tool has for them."""
    found: Nights = {night: [] for night in NIGHTS}
    for night, alert_id, batch, *at in rows:
        times = [pd.Timestamp(time).tz_convert("UTC").isoformat() for time in at]
        found[int(night)].append((int(alert_id), str(batch), *times))
    return {night: sorted(rows) for night, rows in found.items()}


class Poll:
    """Every reader in turn, on every table, until it is told to stop."""

    def __init__(self, site: Site) -> None:
        self._root = site.root / "ztf"
        self._readers = readers(site.spark, self._root)
        self._names = [(name, area) for area in AREAS for name in self._readers] + [(BOTH, BOTH)]
        self.found: dict[tuple[str, int], dict[str, list[list[Row]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.retries: Counter[str] = Counter()

    def run(self, done: threading.Event) -> None:
        while not done.is_set():
            for name, area in self._names:
                for night, rows in self.read(name, area).items():
                    self.found[area, night][name].append(rows)

    def quiet(self) -> dict[str, Nights]:
        """What each area holds while nothing changes, which all readers agree on."""
        seen: dict[str, Nights] = {}
        for name, area in self._names:
            nights = self.read(name, area)
            assert seen.setdefault(area, nights) == nights, (name, area)
        for night, rows in seen[BOTH].items():
            assert len({alert_id for alert_id, *_ in rows}) == len(rows), night
        return seen

    def read(self, name: str, area: str) -> Nights:
        for _ in range(TRIES - 1):
            try:
                return self._read(name, area)
            except Exception:  # noqa: BLE001 - each tool has its own word for a file that is gone
                self.retries[name] += 1
        return self._read(name, area)

    def _read(self, name: str, area: str) -> Nights:
        if area != BOTH:
            return by_night(self._readers[name](area))
        query = f"SELECT {', '.join(columns_of('science'))} FROM science"
        rows: Any = Archive(self._root, "arrow").sql(query)
        return by_night([tuple(row.values()) for row in rows.to_pylist()])


def steps(site: Site, rounds: int) -> Iterator[None]:
    """Stream, close, reprocess, remove, again and again; each table's nights change once a step."""
    for number in range(2, 2 + rounds):
        # By turns a file of their own, and sorted in with the rest.
        n_alerts = 2 if number % 2 else 40
        fill(site.root, range(40 * number, 40 * number + n_alerts), 1, first=number)
        yield
        site.close(NOW + dt.timedelta(minutes=number))
        yield
        site.reprocess(modules=["real_bogus"])
        yield
        remove_taken_batches(site.storage, 0, NOW + dt.timedelta(days=1))
        yield


def test_every_reader_sees_whole_nights_at_every_moment(
    site: Site, request: pytest.FixtureRequest
) -> None:
    rounds = 12 if (request.config.getoption("--full") or os.environ.get("NIGHTJAR_FULL")) else 1
    fill(site.root, range(40), 1)
    site.close()
    waiting = on_the_sky(science_rows("ztf", range(40, 60)))
    commit_alerts(site.storage, "abcdef01-000001", waiting, ("raw", "science"))
    poll, done = Poll(site), threading.Event()
    states: dict[tuple[str, int], list[list[Row]]] = defaultdict(list)

    def record() -> None:
        for area, nights in poll.quiet().items():
            for night, rows in nights.items():
                states[area, night].append(rows)

    record()
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(poll.run, done)
        try:
            for _ in steps(site, rounds):
                record()
        finally:
            done.set()
        polling.result()
    for place, found in poll.found.items():
        for name, seen in found.items():
            assert all(rows in states[place] for rows in seen), (place, name)
    n_polls = sum(len(rows) for found in poll.found.values() for rows in found.values())
    print(f"{n_polls} nights of tables polled, {dict(poll.retries)} retries")
