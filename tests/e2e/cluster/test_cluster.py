"""A real cluster runs the stages from the one archive, loses workers, and gives the same rows."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.kafka.embedded.server import EmbeddedKafka
from tests.crafted import ztf_packets
from tests.e2e.cluster.cluster_site import ClusterSite
from tests.e2e.cluster.standalone import Standalone
from tests.e2e.site import ROOT, make_topic, positions, produce

PARTITIONS = 2
FILTERS = {"everything": ("lite", "alert_id >= 0"), "pictures": ("cutouts", "alert_id % 3 = 0")}
Make = Callable[[str], ClusterSite]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``bin/nightjar pack`` makes."""
    path = tmp_path_factory.mktemp("packed") / "nightjar.tar.gz"
    subprocess.run([str(ROOT / "bin/nightjar"), "pack", "--out", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """A master and two workers."""
    one = Standalone(tmp_path_factory.mktemp("cluster"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture
def make(
    kafka: EmbeddedKafka, cluster: Standalone, archive: Path, tmp_path: Path
) -> Iterator[Make]:
    """Make sites of a topic, to be run on the cluster or here."""
    sites: list[ClusterSite] = []

    def make_site(topic: str) -> ClusterSite:
        root = tmp_path / f"site-{len(sites)}"
        words = {
            "kafka.output_prefix": f"t{uuid.uuid4().hex[:6]}",
            "filters.folder": str(root / "filters"),
            "ingest.max_offsets_per_batch": "200",
        }
        site = ClusterSite(root, kafka, topic, "ztf", words, cluster=cluster, archive=archive)
        site.filters.mkdir(parents=True)
        for name, (payload, where) in FILTERS.items():
            site.write_filter(name, where, payload)
        sites.append(site)
        return site

    yield make_site
    for site in sites:
        site.stop_all()


def filled_topic(kafka: EmbeddedKafka, alerts: int) -> str:
    topic = f"e2e_cluster_{uuid.uuid4().hex[:6]}"
    make_topic(kafka, topic, PARTITIONS)
    produce(kafka, topic, ztf_packets(range(alerts), stamp_bytes=5_000))
    return topic


def test_every_stage_runs_from_the_archive_though_a_worker_is_lost_in_mid_batch(
    full_sweep: None, make: Make, kafka: EmbeddedKafka, cluster: Standalone
) -> None:
    topic = filled_topic(kafka, 100)
    site = make(topic)
    cluster.complete()
    job = site.submit("run", "--once")
    cluster.kill_worker_that_writes(site.staging("raw"), job)
    assert job.wait() == 0, job.text
    assert "Lost executor" in job.text
    assert_worked_from_the_archive(cluster)
    assert site.raw_by_duckdb() == positions(topic, 100, PARTITIONS)
    assert site.sent() == site.expected()
    assert site.expected()["everything"] == list(range(100))


def assert_worked_from_the_archive(cluster: Standalone) -> None:
    """It is what workers have unpacked; they know of nothing else of ours."""
    assert list(cluster.folder.glob("worker-*/work/app-*/*/nightjar/broker/settings.py"))


def test_each_job_loses_a_worker_in_mid_batch_and_gives_the_rows_of_local_mode(
    full_sweep: None, make: Make, kafka: EmbeddedKafka, cluster: Standalone
) -> None:
    topic = filled_topic(kafka, 600)
    there, here = make(topic), make(topic)
    for name, stage in (("stream2raw", "raw"), ("raw2science", "science")):
        cluster.complete()
        job = there.submit(name, "--once")
        cluster.kill_worker_that_writes(there.staging(stage), job)
        assert job.wait() == 0, job.text
        assert "Lost executor" in job.text
    cluster.complete()
    job = there.submit("distribute", "--once", fault="distribute:mid_send:20")
    there.wait_for_mark(job)
    cluster.kill_worker(cluster.workers[0])
    there.mark.unlink()
    assert job.wait() == 0, job.text
    here.run_here()
    assert_same(there, here)
    code, findings = there.audit("--deep")
    assert [text for finding in findings for text in finding["differences"]] == []
    assert code == 0


def assert_same(there: ClusterSite, here: ClusterSite) -> None:
    for table in ("raw", "science"):
        rows = there.rows(table)
        assert len(rows) == 600
        # As text, for NaN is not equal to itself.
        assert list(map(str, rows)) == list(map(str, here.rows(table)))
    names = list(FILTERS)
    assert str(there.alerts_out(names)) == str(here.alerts_out(names))
    assert there.sent() == there.expected()
