"""Sites that distribute, one of them killed on its way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from tests.e2e.distribution.distributing import FEW, DistributeSite, make_site

# The others are in the full sweep, since every start takes its time.
FAULTS = ("mid_send:300", "after_kafka_commit:2")


@pytest.fixture(scope="session")
def killed(
    kafka: EmbeddedKafka, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DistributeSite]:
    """600 alerts in 6 batches, distributed by a job that was killed twice."""
    site = make_site(tmp_path_factory.mktemp("site"), kafka, filters=FEW)
    site.fill(600, 6)
    for fault in FAULTS:
        job = site.distribute_once(fault=fault)
        assert job.process.returncode == -signal.SIGKILL, job.text
    last = site.run_in_process(spark, "distribute")
    assert last.code == 0, last.text
    yield site
    site.stop_all()


@pytest.fixture
def restless(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of this test alone, which it may stop and start."""
    broker = EmbeddedKafka(tmp_path / "kafka", free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def own_site(kafka: EmbeddedKafka, tmp_path: Path) -> Iterator[Callable[..., DistributeSite]]:
    sites: list[DistributeSite] = []

    def make(
        survey: str = "ztf", broker: EmbeddedKafka | None = None, filters: str = "*"
    ) -> DistributeSite:
        folder = tmp_path / f"site-{len(sites)}"
        sites.append(make_site(folder, broker or kafka, survey, filters))
        return sites[-1]

    yield make
    for site in sites:
        site.stop_all()
