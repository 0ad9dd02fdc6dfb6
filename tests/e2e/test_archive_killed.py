"""Kill -9 of archive_night and reprocess: the next run makes the night whole, with nothing left."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from broker.audit.equations import audit
from broker.tables.closed_nights import ClosedNights
from tests.builders import fill
from tests.e2e.site import Job, Site
from tests.job_environ import job_environ
from tests.science_rows import NIGHTS
from tests.stored_rows import archived_rows, online_rows

NIGHT = NIGHTS[0]
POINTS = (
    *("before_stage", "after_stage", "after_seal", "after_exchange", "mid_publish"),
    *("before_commit", "after_commit", "mid_remove"),
)


class ArchiveSite(Site):
    """A site whose nights are closed; it needs no Kafka."""

    @property
    def overrides(self) -> list[str]:
        """The settings of this site, ``section.key=value``."""
        return [f"storage.root={self.root}", "archive.keep_days=0"]

    def archive(self, fault: str | None = None) -> Job:
        """Start archive_night; a fault point may kill it."""
        return self._job(["jobs/archive_night.py", "--night", str(NIGHT)], fault)

    def reprocess(self, fault: str | None = None) -> Job:
        """Start reprocess, from science rows alone; a fault point may kill it."""
        words = ["--nights", str(NIGHT), "--modules", "real_bogus"]
        return self._job(["jobs/reprocess.py", *words], fault)

    def _job(self, words: list[str], fault: str | None) -> Job:
        environ = job_environ()
        if fault:
            environ["NIGHTJAR_FAULT"] = f"archive:{fault}"
        command = [sys.executable, *words, "--survey", "ztf", *self.settings()]
        return self._run(command, environ)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ArchiveSite]:
    one = ArchiveSite(tmp_path, None, "none")  # type: ignore[arg-type]
    yield one
    one.stop_all()


def assert_the_night_is_whole(site: ArchiveSite, ids: set[int]) -> None:
    for table in ("raw", "science"):
        rows = archived_rows(site.root, table)
        assert {row[0] for row in rows} == ids, table
        assert site.storage.names(f"online/{table}/night={NIGHT}") == []
    assert len(archived_rows(site.root)) == len(ids)
    assert site.storage.names("staging/archive") == []
    findings = audit(site.storage, deep=True)
    assert [text for finding in findings for text in finding.differences] == []


def run_to_the_end(start: Callable[[], Job]) -> Job:
    job = start()
    assert job.wait() == 0, job.text
    return job


def test_killed_in_the_middle_the_next_run_closes_the_night(
    site: ArchiveSite, spark: SparkSession
) -> None:
    fill(site.root, range(60), 3)
    ids = {row[0] for row in online_rows(site.root)}
    assert site.archive("mid_publish").wait() == -signal.SIGKILL
    job = site.nightjar("archive", "--night", str(NIGHT))
    assert job.code == 0, job.text
    assert_the_night_is_whole(site, ids)
    assert ClosedNights(site.storage).keys(NIGHT) == ["000001"]
    assert "no finished batch that the archive lacks" in job.text


def test_no_death_of_archive_night_loses_or_doubles_a_row(
    full_sweep: None, site: ArchiveSite
) -> None:
    ids: set[int] = set()
    start = 0
    for number, death in enumerate(deaths(site.archive, POINTS)):
        # By turns sorted in, and as a file of their own.
        end = start + (4 if number % 2 else 200)
        fill(site.root, range(start, end), 1, first=number)
        start = end  # the audit misses offsets that are in no batch
        ids.update(row[0] for row in online_rows(site.root))
        death()
        run_to_the_end(site.archive)
        assert_the_night_is_whole(site, ids)


def test_no_death_of_reprocess_loses_or_doubles_a_row(full_sweep: None, site: ArchiveSite) -> None:
    fill(site.root, range(60), 1)
    ids = {row[0] for row in online_rows(site.root)}
    run_to_the_end(site.archive)
    for death in deaths(site.reprocess, POINTS[:-1]):
        death()
        run_to_the_end(site.reprocess)
        assert_the_night_is_whole(site, ids)


def deaths(start: Callable[..., Job], points: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Death at every point, then at five moments by the clock."""

    def at(point: str) -> None:
        # A point that this run does not pass lets it come to its end.
        assert start(point).wait() in (-signal.SIGKILL, 0)

    def after(seconds: float) -> None:
        job = start()
        time.sleep(seconds)
        job.kill("both")
        job.wait()

    moments = random.Random(1)
    yield from (partial(at, point) for point in points)
    yield from (partial(after, moments.uniform(4, 12)) for _ in range(5))
