"""distribute with sites of a test's own: bad or renamed filters, another survey, every death."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from broker.kafka.embedded.server import EmbeddedKafka
from tests.e2e.distribution.distributing import DistributeSite, header

ALL_FAULTS = (
    *("before_stage", "mid_send", "mid_send:777", "before_kafka_commit", "after_kafka_commit:2"),
    *("after_stage", "after_seal", "before_commit:2", "after_commit"),
)
CLOCK_KILLS = 5
REFUSED = {
    "random": "rand() > 0.5",
    "java": "java_method('java.lang.Math', 'abs', -1) = '1'",
    "subquery": "alert_id IN (SELECT 1)",
    "unknown": "no_such_column > 1",
}
NO_MATCH = {"zero": "1 / 0 > 0", "zeros": "1 / (alert_id - alert_id) > 0", "cast": "int(band) > 0"}


def test_no_filter_file_stops_the_others_and_changes_are_taken_in_between_batches(
    own_site: Callable[..., DistributeSite], spark: SparkSession
) -> None:
    site = own_site(filters="none")
    site.write_filter("bright", "mag < 17")
    for name, where in (REFUSED | NO_MATCH).items():
        site.write_filter(name, where)
    site.fill(100, 1)
    refused = site.run_in_process(spark, "distribute")
    assert refused.code == 2
    lines = refused.text.removeprefix("nightjar: ").splitlines()
    assert {Path(line.partition(".toml")[0]).name for line in lines} == set(REFUSED)
    assert "ztf has no column no_such_column" in refused.text

    job = site.distribute("--skip-bad-filters", "--set", "ingest.trigger_seconds=0.5")
    job.wait_for("distribute abcdef01-000000")
    site.write_filter("faint", "mag > 20")
    site.write_filter("bright", "mag <")
    site.fill(100, 1, first=100)
    job.wait_for("distribute abcdef01-000001")
    job.process.send_signal(signal.SIGTERM)
    assert job.wait() == 0, job.text
    assert "bright.toml" in job.text
    for name in NO_MATCH:
        assert site.messages(name) == []
    names = AdminClient(site.kafka.client_options()).list_topics(timeout=10).topics
    assert not {site.topic_of(name) for name in REFUSED} & set(names)
    for name in REFUSED | NO_MATCH:
        (site.filters / f"{name}.toml").unlink()
    site.write_filter("bright", "mag < 17")
    expected = site.expected()
    assert site.sent()["bright"] == expected["bright"]
    second_batch = [number for number in expected["faint"] if number in _ids_of(site, 1)]
    assert site.sent()["faint"] == second_batch != []


def test_a_renamed_filter_continues_in_a_topic_that_topics_names(
    own_site: Callable[..., DistributeSite], spark: SparkSession
) -> None:
    site = own_site(filters="none")
    site.write_filter("ztf_bright", "mag < 17")
    site.fill(60, 1)
    assert site.run_in_process(spark, "distribute").code == 0
    (site.filters / "ztf_bright.toml").rename(site.filters / "bright.toml")
    site.write_filter("bright", "mag < 17")
    site.fill(60, 1, first=60)
    assert site.run_in_process(spark, "distribute").code == 0
    old, new = site.topic_of("ztf_bright"), site.topic_of("bright")
    shown = json.JSONDecoder().raw_decode(site.nightjar("topics", "--json").text)[0]
    lines = {line["topic"]: line for line in shown}
    assert (lines[old]["active"], lines[old]["continued_as"]) == (False, new)
    assert (lines[new]["active"], lines[new]["continued_as"]) == (True, None)
    assert lines[old]["alerts"] == len(site.messages("ztf_bright")) > 0
    assert lines[new]["alerts"] == len(site.messages("bright")) > 0
    code, findings = site.audit("--deep")
    assert code == 0, [finding for finding in findings if not finding["holds"]]
    sent = lines[old]["alerts"] + lines[new]["alerts"]
    assert any(f"{sent} messages in 2 topics" in finding["summary"] for finding in findings)


def test_elasticc_gets_an_answer_to_every_alert_under_its_own_key(
    own_site: Callable[..., DistributeSite], spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each batch of 30 in three parts.
    monkeypatch.setattr("broker.pipeline.distribute._AT_ONCE", 11)
    site = own_site("elasticc")
    site.fill(60, 2)
    assert site.run_in_process(spark, "distribute").code == 0
    messages = site.messages("classifications")
    assert len(messages) == 60
    assert all(message.key() == header(message, "alert_id").encode() for message in messages)
    site.check_exactly_once()


def test_every_kind_of_death_leaves_each_alert_once(
    own_site: Callable[..., DistributeSite], full_sweep: None
) -> None:
    site = own_site()
    site.fill(5000, 50)
    for fault in ALL_FAULTS:
        job = site.distribute_once(fault=fault)
        assert job.process.returncode == -signal.SIGKILL, job.text
        job.wait_until_all_are_gone()
    clock = random.Random(5)
    for _ in range(CLOCK_KILLS):
        job = site.distribute("--once")
        job.wait_for("distribute abcdef01")
        time.sleep(clock.uniform(0, 3))
        job.kill("both")
        job.wait_until_all_are_gone()
    assert 0 < len(site.distributed()) < 50
    assert site.distribute_once().process.returncode == 0
    site.check_exactly_once()


def test_a_broker_that_is_away_for_20_s_is_waited_for(
    own_site: Callable[..., DistributeSite], full_sweep: None, restless: EmbeddedKafka
) -> None:
    site = own_site(broker=restless)
    site.fill(5000, 10)
    job = site.distribute("--once")
    job.wait_for("distribute abcdef01-000002")
    restless.stop()
    time.sleep(20)
    restless.start()
    assert job.process.wait(600) == 0, job.text
    site.check_exactly_once()


def test_a_broker_that_stays_away_ends_the_job_and_the_next_start_continues(
    own_site: Callable[..., DistributeSite], full_sweep: None, restless: EmbeddedKafka
) -> None:
    site = own_site(broker=restless)
    site.words["distribute.delivery_timeout_seconds"] = "10"
    site.fill(2000, 10)
    job = site.distribute("--once")
    job.wait_for("distribute abcdef01-000002")
    restless.stop()
    assert job.wait() == 3, job.text
    assert "the next start continues here" in job.text
    refused = site.distribute_once()
    assert refused.process.returncode == 3
    assert "no Kafka answers" in refused.text
    restless.start()
    assert site.distribute_once().process.returncode == 0
    site.check_exactly_once()


def test_a_second_distribute_shuts_out_the_first(
    own_site: Callable[..., DistributeSite], full_sweep: None
) -> None:
    first, second = own_site(), own_site()
    second.words["kafka.output_prefix"] = first.prefix
    second.words["filters.folder"] = str(first.filters)
    for site in (first, second):
        site.fill(200, 2)
    running = first.distribute()
    running.wait_for("distribute abcdef01-000001")
    # A copy of the tables on another machine: the lock of this one does not know of it.
    assert second.distribute_once().process.returncode == 0
    first.fill(100, 1, first=200)
    assert running.wait() == 3, running.text
    assert "another distribute took over" in running.reason
    assert second.fill(100, 1, first=200)
    assert second.distribute_once().process.returncode == 0
    second.check_exactly_once()


def _ids_of(site: DistributeSite, batch: int) -> set[int]:
    folder = f"{site.root}/{site.survey}/online/science"
    files = [str(path) for path in Path(folder).glob(f"night=*/batch=*{batch:06d}/*.parquet")]
    return set(ds.dataset(files).to_table(columns=["alert_id"])["alert_id"].to_pylist())
