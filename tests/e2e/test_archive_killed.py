"""Kill -9 of archive_night: after the next run the night is whole and nothing is left over."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.archive.audit import audit
from broker.sinks.closed import ClosedNights
from tests.closing import archived_rows, fill, online_rows
from tests.e2e.site import ROOT, Job, Site
from tests.quick_java import QUICK_JAVA
from tests.science_rows import NIGHTS

NIGHT = NIGHTS[0]
POINTS = (
    *("before_stage", "after_stage", "after_seal", "after_exchange", "mid_publish"),
    *("before_commit", "after_commit", "mid_remove"),
)


class ArchiveSite(Site):
    """A site whose nights are closed; it needs no Kafka."""

    def settings(self) -> Iterator[str]:
        """The words that point a command here."""
        yield from ("--set", f"storage.root={self.root}", "--set", "archive.keep_days=0")

    def archive(self, fault: str | None = None) -> Job:
        """Start archive_night; a fault point may kill it."""
        environ = {**os.environ, **QUICK_JAVA, "SPARK_CONF_DIR": str(ROOT / "conf")}
        if fault:
            environ["NIGHTJAR_FAULT"] = f"archive:{fault}"
        words = ["jobs/archive_night.py", "--survey", "ztf", "--night", str(NIGHT)]
        return self._run([sys.executable, *words, *self.settings()], environ)


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


def run_to_the_end(site: ArchiveSite) -> Job:
    job = site.archive()
    assert job.wait() == 0, job.text
    return job


def test_killed_in_the_middle_the_next_run_closes_the_night(site: ArchiveSite) -> None:
    fill(site.root, range(60), 3)
    ids = {row[0] for row in online_rows(site.root)}
    assert site.archive("mid_publish").wait() == -signal.SIGKILL
    job = run_to_the_end(site)
    assert_the_night_is_whole(site, ids)
    assert ClosedNights(site.storage).keys(NIGHT) == ["000001"]
    assert "no finished batch that the archive lacks" in job.text


def test_no_death_at_any_point_or_of_five_moments_loses_or_doubles_a_row(
    full_sweep: None, site: ArchiveSite
) -> None:
    moments = random.Random(1)
    number, ids = 0, set()

    def late(n_alerts: int) -> None:
        nonlocal number
        numbers = range(1000 * number, 1000 * number + n_alerts)
        fill(site.root, numbers, 1, first=number)
        ids.update(row[0] for row in online_rows(site.root))
        number += 1

    deaths: list[Callable[[], None]] = [lambda p=p: die_at(site, p) for p in POINTS]  # type: ignore[misc]
    deaths += [lambda: die_by_clock(site, moments.uniform(4, 12))] * 5
    for death in deaths:
        for n_alerts in (200, 4):  # sorted in, and as a file
            late(n_alerts)
            death()
        run_to_the_end(site)
        assert_the_night_is_whole(site, ids)


def die_at(site: ArchiveSite, point: str) -> None:
    assert site.archive(point).wait() in (-signal.SIGKILL, 0)


def die_by_clock(site: ArchiveSite, seconds: float) -> None:
    job = site.archive()
    time.sleep(seconds)
    job.kill("both")
    job.wait()
