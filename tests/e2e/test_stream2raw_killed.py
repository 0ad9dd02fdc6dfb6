"""Kill -9 of stream2raw, again and again: every packet is in raw exactly once in the end."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from pyspark.sql import SparkSession

from tests.e2e.conftest import NIGHTLY, PARTITIONS
from tests.e2e.site import Ended, Job, Launcher, Position, Site, Victim, positions

POINTS = (
    *("before_stage", "after_stage", "after_seal"),
    *("mid_publish", "before_commit", "after_commit"),
)
# Where in the write, who dies, and who started it: everybody, in both ways of starting, and some
# batches are committed in between. raw2science, whose write is the same, dies at the other points.
DEATHS: list[tuple[str, Victim, Launcher]] = [
    ("after_seal", "jvm", "python"),
    ("before_commit", "python", "spark-submit"),
    ("after_commit", "both", "python"),
]
BATCH = 60
EXIT_CODES: dict[tuple[Victim, Launcher], int] = {
    ("python", "python"): -9,
    ("both", "python"): -9,
    # Python outlives its JVM, and says so.
    ("jvm", "python"): 3,
    # Java's way of saying that its child was killed.
    ("python", "spark-submit"): 137,
    ("both", "spark-submit"): -9,
    ("jvm", "spark-submit"): -9,
}


@dataclass
class Story:
    """What happened on a site from its first start to the end of the night."""

    site: Site
    deaths: list[Job] = field(default_factory=list)
    doubled: list[list[Position]] = field(default_factory=list)
    open_batches: list[bool] = field(default_factory=list)
    last: Ended | None = None

    def note(self, job: Job) -> None:
        """Look at what a death has left behind."""
        self.deaths.append(job)
        seen = Counter(self.site.raw_by_pyarrow())
        self.doubled.append([place for place, rows in seen.items() if rows > 1])
        commits = self.site.offsets("commits")
        self.open_batches.append(len(self.site.offsets("offsets")) > len(commits))


@pytest.fixture(scope="module")
def story(site: Callable[..., Site], nightly: str, spark: SparkSession) -> Story:
    """Deaths at fault points, the checkpoint lost, then the rest in peace."""
    story = Story(site(nightly, ingest__max_offsets_per_batch=BATCH))
    for point, victim, launcher in DEATHS:
        job = die_at(story.site, point, victim, launcher)
        # The JVM must find its own end.
        job.wait_until_all_are_gone()
        story.note(job)
    shutil.rmtree(story.site.root / "ztf/checkpoints")
    story.last = story.site.run_in_process(spark)
    return story


def die_at(site: Site, point: str, victim: Victim, launcher: Launcher) -> Job:
    whom = None if victim == "python" else victim
    job = site.start("--once", launcher=launcher, fault=point, whom=whom)
    job.wait()
    return job


def die_by_clock(site: Site, victim: Victim, launcher: Launcher, seconds: float) -> Job:
    job = site.start("--once", launcher=launcher)
    job.wait_for(": read ")
    time.sleep(seconds)
    job.kill(victim)
    job.wait()
    return job


def assert_each_is_there_once(site: Site, topic: str, spark: SparkSession) -> None:
    expected = positions(topic, NIGHTLY, PARTITIONS)
    assert site.raw_by_pyarrow() == expected
    assert site.raw_by_duckdb() == expected
    assert site.raw_by_spark(spark) == expected
    assert site.staged() == []


def differences(findings: list[dict[str, Any]]) -> list[str]:
    return [text for finding in findings for text in finding["differences"]]


def test_in_the_end_every_packet_is_there_once_for_every_reader(
    story: Story, nightly: str, spark: SparkSession
) -> None:
    assert story.last is not None
    assert story.last.code == 0, story.last.text
    assert_each_is_there_once(story.site, nightly, spark)


def test_the_audit_agrees(story: Story) -> None:
    code, findings = story.site.audit("--deep")
    assert differences(findings) == []
    assert code == 0
    assert "240 offsets, 0 of them read again" in str(findings)


def test_no_death_ever_shows_a_row_twice(story: Story) -> None:
    assert story.doubled == [[]] * len(story.doubled)


def test_each_death_has_the_exit_code_of_its_kind(story: Story) -> None:
    codes = [job.process.returncode for job in story.deaths]
    assert codes == [EXIT_CODES[victim, launcher] for _, victim, launcher in DEATHS]


def test_a_python_that_outlives_its_jvm_names_the_reason_in_its_last_line(story: Story) -> None:
    (job,) = (job for job in story.deaths if job.process.returncode == 3)
    assert job.reason.startswith("nightjar: Spark's JVM is gone")


def test_a_restart_goes_on_from_an_open_batch(story: Story) -> None:
    # SPARK-55271 killed such restarts; all of these were open, and the next start went on.
    assert story.open_batches == [True] * len(DEATHS)


def test_a_lost_checkpoint_is_replaced_by_the_ledger(story: Story) -> None:
    queries = {row.key[:8] for row in story.site.committed()}
    assert len(queries) == 2
    assert sum(row.read for row in story.site.committed()) == NIGHTLY


def test_with_the_ledger_lost_too_all_is_read_again_and_counted_as_such(
    story: Story, nightly: str, spark: SparkSession
) -> None:
    once = [row.key for row in story.site.committed()]
    for folder in ("checkpoints", "ledger"):
        shutil.rmtree(story.site.root / "ztf" / folder)
    assert story.site.run_in_process(spark).code == 0
    twice = sorted(positions(nightly, NIGHTLY, PARTITIONS) * 2)
    assert story.site.raw_by_duckdb() == twice
    code, findings = story.site.audit("--deep")
    assert code == 1
    assert f"{2 * NIGHTLY} rows, {NIGHTLY} positions, {NIGHTLY} of them read again" in str(findings)
    assert {text.split("batch ")[1][:15] for text in differences(findings)} == set(once)


@pytest.mark.parametrize("launcher", get_args(Launcher))
@pytest.mark.parametrize("victim", get_args(Victim))
def test_no_death_at_any_point_or_of_five_moments_loses_or_doubles_a_packet(
    site: Callable[..., Site],
    big_night: str,
    spark: SparkSession,
    victim: Victim,
    launcher: Launcher,
) -> None:
    # More batches than are done before the last of the deaths.
    one = site(big_night, ingest__max_offsets_per_batch=100)
    for point in POINTS:
        die_at(one, point, victim, launcher)
    moments = random.Random(f"{victim} {launcher}")
    for _ in range(5):
        die_by_clock(one, victim, launcher, moments.uniform(0, 3))
    assert one.run(launcher=launcher).process.returncode == 0
    expected = positions(big_night, 5_000, PARTITIONS)
    assert one.raw_by_pyarrow() == expected
    assert one.raw_by_duckdb() == expected
    assert one.raw_by_spark(spark) == expected
    assert one.staged() == []
    code, findings = one.audit("--deep")
    assert (code, differences(findings)) == (0, [])
