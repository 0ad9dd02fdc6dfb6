"""Kill -9 of raw2science, again and again: every alert is in science exactly once in the end."""

from __future__ import annotations

import datetime as dt
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import get_args

import duckdb
import pyarrow.dataset as ds
import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.kafka.embedded.server import EmbeddedKafka
from broker.science.engine.apply import apply_modules
from broker.settings import load_settings
from broker.surveys import get_survey
from tests.crafted import JD, container, ztf_record
from tests.e2e.conftest import PARTITIONS
from tests.e2e.site import Job, Launcher, Site, Victim, make_topic, produce

ALERTS, BATCH = 200, 40
POINTS = (
    *("before_stage", "after_stage", "after_seal"),
    *("mid_publish", "before_commit", "after_commit"),
)
# Where in the write (some after a batch or two), who dies, and who started it. In the middle of
# publishing one of a batch's two nights is visible, the other is not. The write is stream2raw's,
# whose test passes every point.
DEATHS: list[tuple[str, Victim, Launcher]] = [
    ("after_stage:2", "jvm", "python"),
    ("mid_publish", "python", "spark-submit"),
    ("before_commit:2", "both", "python"),
]
AT = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
# The first row of each alert by batch, topic, partition and offset, and how the others differ
# from it: read from raw, with nothing of the broker's.
WITH_FIRST = """
    SELECT *, first_value(candidate.magpsf) OVER alert AS first_mag,
           row_number() OVER alert AS place
    FROM read_parquet('{raw}', hive_partitioning = true)
    WINDOW alert AS (PARTITION BY alert_id ORDER BY batch, ingest.topic, ingest."partition",
                     ingest."offset")
"""


@dataclass
class Story:
    """What happened on a site from the first start to the end of its night."""

    site: Site
    doubled: list[list[int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    last: Job | None = None

    def note(self) -> None:
        """Look at what a death has left behind."""
        seen = Counter(ids_by_pyarrow(self.site))
        self.doubled.append([alert for alert, rows in seen.items() if rows > 1])
        self.batches.append(len(self.site.committed("raw2science")))


def night_with_repeats(alerts: int) -> Iterator[bytes]:
    """Packets of two nights; some come again soon or much later, and some of these are changed."""
    for number in range(alerts):
        yield packet(number)
        if number % 10 == 0:
            yield packet(number)
        if number % 10 == 5 and number > 50:
            yield packet(number - 50)
        if number % 20 == 7 and number > 60:
            yield packet(number - 60, magpsf=18.25)


def packet(number: int, **candidate: float) -> bytes:
    return container(ztf_record(number, JD + (number % 3 == 0), **candidate))


def site_with_raw(
    site: Callable[..., Site], kafka: EmbeddedKafka, spark: SparkSession, alerts: int, batch: int
) -> Site:
    """A site whose raw table stream2raw has filled in many batches."""
    topic = f"e2e_science_{alerts}"
    make_topic(kafka, topic, PARTITIONS)
    produce(kafka, topic, list(night_with_repeats(alerts)))
    one = site(topic, ingest__max_offsets_per_batch=batch)
    job = one.run_in_process(spark)
    assert job.code == 0, job.text
    return one


@pytest.fixture(scope="module")
def story(site: Callable[..., Site], kafka: EmbeddedKafka, spark: SparkSession) -> Story:
    """Three deaths, the checkpoint lost, then the rest live."""
    story = Story(site_with_raw(site, kafka, spark, ALERTS, BATCH))
    for point, victim, launcher in DEATHS:
        die_at(story.site, point, victim, launcher)
        story.note()
    shutil.rmtree(story.site.root / "ztf/checkpoints/raw2science")
    story.last = live_until_done(story.site)
    return story


def die_at(site: Site, point: str, victim: Victim, launcher: Launcher = "python") -> None:
    whom = None if victim == "python" else victim
    job = site.start("--once", name="raw2science", launcher=launcher, fault=point, whom=whom)
    assert job.wait() != 0, job.text
    # The JVM must find its own end.
    job.wait_until_all_are_gone()


def die_by_clock(site: Site, victim: Victim, seconds: float) -> None:
    job = site.start("--once", name="raw2science")
    job.wait_for(": read ")
    time.sleep(seconds)
    job.kill(victim)
    job.wait()


def live_until_done(site: Site) -> Job:
    """Run as an operator does, and tell it to stop when it has nothing left to do."""
    job = site.start(name="raw2science")
    last = max(row.key for row in site.committed())
    job.wait_for(f"science {last}: read ")
    # Long enough for it to be waiting for more.
    time.sleep(1.5)
    job.process.send_signal(signal.SIGTERM)
    job.wait()
    return job


def ids_by_pyarrow(site: Site) -> list[int]:
    folder = site.root / "ztf/online/science"
    if not folder.exists():
        return []
    return sorted(ds.dataset(folder, partitioning="hive").to_table(["alert_id"])[0].to_pylist())


def ids_by_duckdb(site: Site) -> list[int]:
    """As DuckDB sees it, which reads hidden and unfinished files too."""
    files = f"{site.root}/ztf/online/science/**/*.parquet"
    query = "SELECT alert_id FROM read_parquet(?) ORDER BY alert_id"
    return [alert for (alert,) in duckdb.execute(query, [files]).fetchall()]


def ids_by_spark(site: Site, spark: SparkSession) -> list[int]:
    rows = spark.read.parquet(f"{site.root}/ztf/online/science").select("alert_id")
    return sorted(row.alert_id for row in rows.collect())


def assert_each_is_there_once(site: Site, alerts: int, spark: SparkSession) -> None:
    expected = list(range(alerts))
    assert ids_by_pyarrow(site) == expected
    assert ids_by_duckdb(site) == expected
    assert ids_by_spark(site, spark) == expected
    assert site.staged("raw2science") == []


def assert_repeats_are_counted(site: Site) -> None:
    raw = WITH_FIRST.format(raw=f"{site.root}/ztf/online/raw/*/*/*.parquet")
    query = f"""
        SELECT batch, count(*), count_if(place > 1), count_if(candidate.magpsf <> first_mag)
        FROM ({raw}) GROUP BY batch ORDER BY batch
    """
    counted = [
        (row.key, row.read, row.repeats, row.repeats_that_differ)
        for row in site.committed("raw2science")
    ]
    assert sorted(counted) == duckdb.sql(query).fetchall()
    assert sum(row.repeats_that_differ for row in site.committed("raw2science")) > 0


def assert_audit_agrees(site: Site) -> None:
    code, findings = site.audit("--deep")
    assert [text for finding in findings for text in finding["differences"]] == []
    assert code == 0


def test_in_the_end_every_alert_is_there_once_for_every_reader(
    story: Story, spark: SparkSession
) -> None:
    assert_each_is_there_once(story.site, ALERTS, spark)


def test_repeats_are_counted_batch_by_batch_and_so_are_those_that_differ(story: Story) -> None:
    assert_repeats_are_counted(story.site)


def test_the_audit_agrees(story: Story) -> None:
    assert_audit_agrees(story.site)


def test_no_death_ever_shows_an_alert_twice(story: Story) -> None:
    assert story.doubled == [[]] * len(story.doubled)


def test_each_restart_keeps_what_was_committed(story: Story) -> None:
    assert story.batches == sorted(story.batches)
    # There was something left to do, and to repeat, when the checkpoint was lost.
    assert 4 <= story.batches[-1] < len(story.site.committed())


def test_a_lost_checkpoint_repeats_nothing(story: Story) -> None:
    assert story.last is not None
    # One more was sealed when its process died: the start has finished it.
    assert story.last.text.count("is committed already") == story.batches[-1] + 1
    science, raw = story.site.committed("raw2science"), story.site.committed()
    assert [row.key for row in science] == [row.key for row in raw]
    assert [row.read for row in science] == [row.written for row in raw]


def test_told_to_stop_while_idle_it_exits_0(story: Story) -> None:
    assert story.last is not None
    assert story.last.process.returncode == 0, story.last.text
    assert story.last.reason.endswith("stopped on request; the next start continues here")
    assert "Traceback" not in story.last.text


def test_science_is_what_a_batch_run_over_the_same_raw_gives(
    story: Story, spark: SparkSession
) -> None:
    live = spark.read.parquet(f"{story.site.root}/ztf/online/science").drop("batch")
    batch = in_one_go(story.site, spark).select(*live.columns)
    # The time of the batch is its own. Maps have no order to sort rows by.
    assert_df_equality(
        live.orderBy("alert_id"),
        batch.to(live.schema).orderBy("alert_id"),
        ignore_columns=["science_at"],
        ignore_metadata=True,
        ignore_nullable=True,
        allow_nan_equality=True,
    )


def in_one_go(site: Site, spark: SparkSession) -> DataFrame:
    """Science rows of the first raw row of each alert, all in one batch."""
    raw = WITH_FIRST.format(raw=f"{site.root}/ztf/online/raw/*/*/*.parquet")
    kept = duckdb.sql(
        f'SELECT ingest."partition" AS p, ingest."offset" AS o FROM ({raw}) WHERE place = 1'
    )
    first = F.broadcast(spark.createDataFrame(kept.fetchall(), kept.columns))
    alerts = spark.read.parquet(f"{site.root}/ztf/online/raw").join(
        first, (F.col("ingest.partition") == F.col("p")) & (F.col("ingest.offset") == F.col("o"))
    )
    settings = load_settings("ztf", environ={}).science
    return apply_modules(alerts, get_survey("ztf"), settings, AT)


def test_no_death_at_any_point_or_of_five_moments_loses_or_doubles_an_alert(
    full_sweep: None, site: Callable[..., Site], kafka: EmbeddedKafka, spark: SparkSession
) -> None:
    one = site_with_raw(site, kafka, spark, alerts=5_000, batch=125)
    moments = random.Random(1)
    for victim in get_args(Victim):
        for point in POINTS:
            die_at(one, point, victim)
        for _ in range(5):
            die_by_clock(one, victim, moments.uniform(0, 2))
    job = one.run(name="raw2science")
    assert job.process.returncode == 0, job.text
    assert_each_is_there_once(one, 5_000, spark)
    assert_repeats_are_counted(one)
    assert_audit_agrees(one)
