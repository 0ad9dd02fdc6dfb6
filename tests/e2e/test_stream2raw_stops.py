"""How stream2raw ends when it is told to, and when it cannot go on."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from tests.crafted import container, ztf_record
from tests.e2e.site import LAUNCHERS, Launcher, Site, make_topic, positions, produce

SPARK_HAS_STARTED = "incubator modules"
MEGABYTE = 1 << 20
BIG = 150


@pytest.fixture(scope="module")
def stopping(site: Callable[..., Site], nightly: str) -> Site:
    """A site for tests that each stop in mid-batch and leave the rest to the next."""
    return site(nightly, ingest__max_offsets_per_batch=20)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_told_to_stop_in_mid_batch_it_finishes_the_batch_and_exits_0(
    stopping: Site, launcher: Launcher
) -> None:
    before = len(stopping.committed())
    job = stopping.start(launcher=launcher, fault="after_stage", whom="pause")
    stopping.wait_for_mark(job)
    assert stopping.staged() != []
    # A service manager tells the one process that it started: Python here, Java there.
    job.process.send_signal(signal.SIGTERM)
    stopping.mark.unlink()
    assert job.wait() == 0, job.text
    assert job.reason.endswith("stopped on request; the next start continues here")
    assert "Traceback" not in job.text
    assert len(stopping.committed()) == before + 1
    assert stopping.offsets("commits") == list(range(before + 1))
    assert stopping.staged() == []
    job.wait_until_all_are_gone()


def test_a_second_writer_is_refused_before_spark_starts(stopping: Site) -> None:
    first = stopping.start(fault="after_stage", whom="pause")
    stopping.wait_for_mark(first)
    second = stopping.run()
    assert second.process.returncode == 3
    assert second.reason.startswith(
        f"nightjar: stage raw is being written by process {first.process.pid} "
    )
    assert SPARK_HAS_STARTED not in second.text
    # A terminal's Ctrl-C reaches everything at once.
    os.killpg(first.process.pid, signal.SIGINT)
    stopping.mark.unlink()
    assert first.wait() == 0, first.text
    assert stopping.staged() == []


def test_a_full_disk_leaves_nothing_half_visible_and_the_next_start_goes_on(
    site: Callable[..., Site], kafka: EmbeddedKafka, spark: SparkSession
) -> None:
    topic = "e2e_big_packets"
    make_topic(kafka, topic)
    images = [{"fileName": f"{i}.gz", "stampData": os.urandom(200_000)} for i in range(BIG)]
    records = [ztf_record(i) | {"cutoutScience": image} for i, image in enumerate(images)]
    produce(kafka, topic, [container(record) for record in records])
    one = site(topic, ingest__max_offsets_per_batch=BIG)

    def limit() -> None:
        # Room for Spark's own files, not for half of the batch in one of ours.
        resource.setrlimit(resource.RLIMIT_FSIZE, (12 * MEGABYTE, 12 * MEGABYTE))

    full = one.run(preexec_fn=limit)
    assert full.process.returncode == 3, full.text
    assert "the disk is full" in full.reason
    assert "nothing is lost" in full.reason
    assert one.raw_by_pyarrow() == []
    assert one.committed() == []
    assert one.run_in_process(spark).code == 0
    assert one.raw_by_duckdb() == positions(topic, BIG)
    assert one.staged() == []


def test_without_a_broker_it_names_the_address_before_spark_starts(
    site: Callable[..., Site], nightly: str
) -> None:
    servers = f"127.0.0.1:{free_port()}"
    job = site(nightly, kafka__servers=servers).run()
    assert job.process.returncode == 3
    assert job.reason.startswith(f"nightjar: no Kafka answers at {servers} within 10 s")
    assert "is kafka.servers right?" in job.reason
    assert SPARK_HAS_STARTED not in job.text


def test_without_its_topic_it_names_those_that_there_are(
    site: Callable[..., Site], nightly: str
) -> None:
    job = site("e2e_no_such_topic").run()
    assert job.process.returncode == 3
    assert job.reason.startswith("nightjar: there is no topic e2e_no_such_topic at 127.0.0.1:")
    assert nightly in job.reason
    assert SPARK_HAS_STARTED not in job.text


def test_an_unknown_setting_exits_2_with_the_nearest_known_one(
    site: Callable[..., Site], nightly: str
) -> None:
    job = site(nightly, ingest__framng="bare").run()
    assert job.process.returncode == 2
    assert job.reason == "nightjar: unknown setting ingest.framng; did you mean ingest.framing?"
    assert SPARK_HAS_STARTED not in job.text
