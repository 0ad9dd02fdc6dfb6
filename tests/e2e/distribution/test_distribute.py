"""distribute as an operator runs it: killed, restarted, and read by its subscribers."""

from __future__ import annotations

import json
import random
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as ds
from confluent_kafka.admin import AdminClient, ConfigResource

from broker.kafka.server import EmbeddedKafka, free_port
from broker.sinks.kafka import partition_of
from tests.e2e.distribution.distributing import DistributeSite, decode, header

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


def check_exactly_once(site: DistributeSite) -> None:
    """Every topic holds exactly what its filter selects, and the audit agrees."""
    assert site.published() == site.expected()
    code, findings = site.audit("--deep")
    assert code == 0, [finding for finding in findings if not finding["holds"]]
    sent = sum(len(ids) for ids in site.expected().values())
    assert any(f"{sent} messages" in finding["summary"] for finding in findings)


def test_topics_hold_exactly_what_their_filters_select_whenever_it_is_killed(
    killed: DistributeSite,
) -> None:
    expected = killed.expected()
    assert len(expected) == 6
    assert all(expected.values())
    check_exactly_once(killed)


def test_the_ledger_counts_by_filter(killed: DistributeSite) -> None:
    rows = killed.distributed()
    assert [row.key for row in rows] == [f"abcdef01-{k:06d}" for k in range(6)]
    assert {row.read for row in rows} == {100}
    for name, ids in killed.expected().items():
        counts = [count for row in rows for count in row.by_filter if count.name == name]
        assert sum(count.matched for count in counts) == len(ids)
        (digest,) = {count.digest for count in counts}
        assert killed.storage.exists(f"ledger/filters/{digest}.toml")


def test_messages_are_the_science_rows_spread_by_object(killed: DistributeSite) -> None:
    folder = killed.root / "ztf/online/science"
    rows = ds.dataset(folder, partitioning="hive").to_table().drop_columns(["batch"])
    science = {row["alert_id"]: row for row in rows.to_pylist()}
    partitions = set()
    for message in killed.messages("real_not_solar_system"):
        record = decode(message)
        wanted = science[record["alert_id"]]
        assert {name: record[name] for name in wanted} == wanted
        assert record["objectId"] == wanted["object_id"]
        assert record["candid"] == int(header(message, "alert_id"))
        assert header(message, "object_id") == wanted["object_id"]
        assert header(message, "filter") == "real_not_solar_system"
        assert message.partition() == partition_of(wanted["object_id"].encode(), 3)
        partitions.add(message.partition())
    assert partitions == {0, 1, 2}
    assert "lightcurve" not in decode(killed.messages("without_history")[0])
    stamps = decode(killed.messages("pictures")[0])
    assert {"cutoutScience", "cutoutTemplate", "cutoutDifference", "lightcurve"} <= set(stamps)


def test_topics_are_made_as_the_settings_say(killed: DistributeSite) -> None:
    admin = AdminClient(killed.kafka.client_options())
    name = killed.topic_of("hostless")
    topic = ConfigResource(ConfigResource.Type.TOPIC, name)
    config = admin.describe_configs([topic])[topic].result()
    assert config["message.timestamp.type"].value == "LogAppendTime"
    assert config["retention.ms"].value == str(168 * 3_600_000)
    assert len(admin.list_topics(timeout=10).topics[name].partitions) == 3


def test_topics_lists_what_there_is_to_subscribe_to(killed: DistributeSite) -> None:
    job = killed.nightjar("topics", "--json")
    assert job.process.returncode == 0, job.text
    lines = {line["topic"]: line for line in json.loads(job.text)}
    assert set(lines) == {killed.topic_of(name) for name in killed.expected()}
    for name, ids in killed.expected().items():
        line = lines[killed.topic_of(name)]
        assert (line["alerts"], line["alerts_last_day"]) == (len(ids), len(ids))
        assert (line["retention_days"], line["active"]) == (7.0, True)
        message = killed.messages(name)[0]
        assert line["schema_fingerprint"] == header(message, "schema_fingerprint")
    shown = killed.nightjar("topics").text
    assert "New transients with no catalogued source below them" in shown


def test_consume_goes_on_where_its_group_stopped_and_begins_again_at_a_time(
    killed: DistributeSite, tmp_path: Path
) -> None:
    topic = killed.topic_of("uniform_sample")
    ids = killed.expected()["uniform_sample"]
    began = killed.distributed()[0].batch_time
    group = ("--group", uuid.uuid4().hex, "--timeout", "0")

    def consume(*words: str) -> str:
        job = killed.nightjar("consume", topic, *group, *words)
        assert job.process.returncode == 0, job.text
        return job.text

    assert "Consumed 2 alerts" in consume("--max-alerts", "2", "--brief")
    assert f"Consumed {len(ids) - 2} alerts" in consume("--save", str(tmp_path / "rest.parquet"))
    assert "is 0 behind" in consume("--lag")
    assert "Consumed 0 alerts" in consume("--brief")
    assert f"Consumed {len(ids)} alerts" in consume("--brief", "--since", began.isoformat())
    later = "2100-01-01"
    assert "Consumed 0 alerts" in consume("--brief", "--since", later)
    saved = ds.dataset(tmp_path / "rest.parquet").to_table()
    assert len(set(saved["candid"].to_pylist()) & set(ids)) == len(ids) - 2


def test_no_filter_file_stops_the_others_and_changes_are_taken_in_between_batches(
    own_site: Callable[..., DistributeSite],
) -> None:
    site = own_site(filters="none")
    site.write_filter("bright", "mag < 17")
    for name, where in (REFUSED | NO_MATCH).items():
        site.write_filter(name, where)
    site.fill(100, 1)
    refused = site.distribute_once()
    assert refused.process.returncode == 2
    assert all(f"{name}.toml" in refused.text for name in REFUSED)
    assert not any(f"{name}.toml:" in refused.text for name in NO_MATCH)
    assert "no_such_column" in refused.text

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
    assert site.published()["bright"] == expected["bright"]
    second_batch = [number for number in expected["faint"] if number in _ids_of(site, 1)]
    assert site.published()["faint"] == second_batch != []


def test_elasticc_gets_an_answer_to_every_alert_under_its_own_key(
    own_site: Callable[..., DistributeSite],
) -> None:
    site = own_site("elasticc")
    site.fill(60, 2)
    job = site.distribute_once()
    assert job.process.returncode == 0, job.text
    messages = site.messages("elasticc_classifications")
    assert len(messages) == 60
    assert all(message.key() == header(message, "alert_id").encode() for message in messages)
    check_exactly_once(site)


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
    check_exactly_once(site)


def test_a_broker_that_is_away_for_20_s_is_waited_for(
    own_site: Callable[..., DistributeSite], full_sweep: None, tmp_path: Path
) -> None:
    broker = EmbeddedKafka(tmp_path / "kafka", free_port())
    broker.start()
    try:
        site = own_site(broker=broker)
        site.fill(5000, 10)
        job = site.distribute("--once")
        job.wait_for("distribute abcdef01-000002")
        broker.stop()
        time.sleep(20)
        broker.start()
        assert job.process.wait(600) == 0, job.text
        check_exactly_once(site)
    finally:
        broker.stop()


def test_a_broker_that_stays_away_ends_the_job_and_the_next_start_continues(
    own_site: Callable[..., DistributeSite], full_sweep: None, tmp_path: Path
) -> None:
    broker = EmbeddedKafka(tmp_path / "kafka", free_port())
    broker.start()
    try:
        site = own_site(broker=broker)
        site.words["distribute.delivery_timeout_seconds"] = "10"
        site.fill(2000, 10)
        job = site.distribute("--once")
        job.wait_for("distribute abcdef01-000002")
        broker.stop()
        assert job.wait() == 3, job.text
        assert "the next start continues here" in job.text
        refused = site.distribute_once()
        assert refused.process.returncode == 3
        assert "no Kafka answers" in refused.text
        broker.start()
        assert site.distribute_once().process.returncode == 0
        check_exactly_once(site)
    finally:
        broker.stop()


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
    check_exactly_once(second)


def _ids_of(site: DistributeSite, batch: int) -> set[int]:
    folder = f"{site.root}/{site.survey}/online/science"
    files = [str(path) for path in Path(folder).glob(f"night=*/batch=*{batch:06d}/*.parquet")]
    return set(ds.dataset(files).to_table(columns=["alert_id"])["alert_id"].to_pylist())
