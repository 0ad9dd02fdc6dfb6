"""Nightly topics come and go; only what was never read is a loss, and it is named."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from broker.kafka.embedded.server import EmbeddedKafka
from tests.crafted import ztf_packets
from tests.e2e.site import Job, Site, make_topic, positions, produce, wait_until

PATTERN = "ztf_[0-9]{8}_programid1"
FIRST, SECOND = "ztf_20240706_programid1", "ztf_20240707_programid1"
OTHERS = ("ztf_20240707_programid2", "xztf_20240707_programid1")


@pytest.fixture(scope="module")
def admin(kafka: EmbeddedKafka) -> AdminClient:
    return AdminClient(kafka.client_options())


@pytest.fixture(scope="module")
def nights(site: Callable[..., Site], kafka: EmbeddedKafka) -> Site:
    """A site of a topic a night; the tests below follow one another."""
    for topic in (FIRST, *OTHERS):
        make_topic(kafka, topic)
        produce(kafka, topic, ztf_packets(range(20)))
    return site(PATTERN)


@pytest.fixture(scope="module")
def first_night(nights: Site, kafka: EmbeddedKafka) -> Job:
    """Runs while the second night's topic appears, and is stopped when it has nothing to do."""
    job = nights.start()
    job.wait_for(": read 20,")
    make_topic(kafka, SECOND, partitions=2)
    produce(kafka, SECOND, ztf_packets(range(20, 50)))
    wait_until(
        lambda: len(nights.raw_by_pyarrow()) >= 50 or job.process.poll() is not None,
        "the new topic is read",
    )
    job.process.send_signal(signal.SIGTERM)
    job.wait()
    return job


def test_a_topic_that_appears_while_it_runs_is_read_from_its_beginning(
    nights: Site, first_night: Job
) -> None:
    expected = sorted(positions(FIRST, 20) + positions(SECOND, 30, 2))
    assert nights.raw_by_duckdb() == expected
    assert nights.audit("--deep")[0] == 0


def test_told_to_stop_while_idle_it_exits_0(first_night: Job) -> None:
    assert first_night.process.returncode == 0, first_night.text


def test_a_topic_that_expires_after_it_was_read_is_no_loss(
    nights: Site,
    first_night: Job,
    admin: AdminClient,
    kafka: EmbeddedKafka,
    spark: SparkSession,
) -> None:
    admin.delete_topics([FIRST])[FIRST].result(30)
    wait_until(lambda: FIRST not in admin.list_topics(timeout=10).topics, "the topic is gone")
    produce(kafka, SECOND, ztf_packets(range(50, 60)))
    job = nights.run_in_process(spark)
    assert job.code == 0, job.text
    assert nights.raw_by_duckdb() == sorted(positions(FIRST, 20) + positions(SECOND, 40, 2))


def test_records_that_expire_unread_are_a_loss_that_is_named(
    nights: Site,
    first_night: Job,
    admin: AdminClient,
    kafka: EmbeddedKafka,
    spark: SparkSession,
) -> None:
    produce(kafka, SECOND, ztf_packets(range(60, 80)))
    place = TopicPartition(SECOND, 1, 25)
    admin.delete_records([place])[place].result(30)
    job = nights.run_in_process(spark)
    assert job.code == 3
    assert job.reason.startswith(
        f"nightjar: records are missing: topic {SECOND}, partition 1, offsets 20 to 24 "
        "(the broker no longer has them)"
    )
    assert "Traceback" not in job.text
    assert len(nights.raw_by_duckdb()) == 60


def test_a_lost_checkpoint_hides_no_loss(
    nights: Site, first_night: Job, spark: SparkSession
) -> None:
    shutil.rmtree(nights.root / "ztf/checkpoints")
    job = nights.run_in_process(spark)
    assert job.code == 3
    assert f"topic {SECOND}, partition 1, offsets 20 to 24" in job.reason
    assert len(nights.raw_by_duckdb()) == 60


def test_the_operator_may_go_on_without_what_is_lost_and_the_audit_names_the_gap(
    nights: Site,
    first_night: Job,
    admin: AdminClient,
    kafka: EmbeddedKafka,
    spark: SparkSession,
) -> None:
    # All of the partition: it has nothing in the first batch of the new checkpoint.
    place = TopicPartition(SECOND, 1, 30)
    admin.delete_records([place])[place].result(30)
    shutil.rmtree(nights.root / "ztf/checkpoints")
    job = nights.run_in_process(spark, "stream2raw", "--from", "earliest")
    assert job.code == 0, job.text
    produce(kafka, SECOND, ztf_packets(range(80, 90)))
    job = nights.run_in_process(spark)
    assert job.code == 0, job.text
    code, findings = nights.audit("--deep")
    (gap,) = (text for finding in findings for text in finding["differences"])
    assert code == 1
    assert gap.startswith(f"topic {SECOND}, partition 1: offsets 20 to 29 are in no batch before ")


def test_a_start_beside_a_checkpoint_is_refused_since_it_would_have_no_effect(
    nights: Site, first_night: Job, spark: SparkSession
) -> None:
    job = nights.run_in_process(spark, "stream2raw", "--from", "latest")
    assert job.code == 2
    assert job.reason.startswith("nightjar: --from latest has no effect beside the checkpoint")
