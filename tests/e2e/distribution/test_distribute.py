"""What subscribers see of a distribute that was killed on its way, with our tools and others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from broker.commands.app import main
from broker.sinks.transactions import partition_of
from tests.e2e.distribution.distributing import DistributeSite, decode, header

SERVERS, TOPIC = "localhost:9092", "nightjar_ztf_real_not_solar_system"


@pytest.fixture(scope="module")
def expected(killed: DistributeSite) -> dict[str, list[int]]:
    """Alerts that each filter selects."""
    return killed.expected()


@pytest.fixture
def nightjar(killed: DistributeSite, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command of the command line in this process; gives what it prints."""

    def call(*words: str) -> str:
        code = main([*words, "--survey", killed.survey, *killed.settings()])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out + captured.err

    return call


def test_topics_hold_exactly_what_their_filters_select_whenever_it_is_killed(
    killed: DistributeSite, expected: dict[str, list[int]]
) -> None:
    assert len(expected) == 6
    assert all(expected.values())
    killed.check_exactly_once()


def test_the_ledger_counts_by_filter(
    killed: DistributeSite, expected: dict[str, list[int]]
) -> None:
    rows = killed.distributed()
    assert [row.key for row in rows] == [f"abcdef01-{k:06d}" for k in range(6)]
    assert {row.read for row in rows} == {100}
    for name, ids in expected.items():
        counts = [count for row in rows for count in row.by_filter if count.name == name]
        assert sum(count.matched for count in counts) == len(ids)
        (digest,) = {count.digest for count in counts}
        assert killed.storage.exists(f"ledger/filters/{digest}.toml")


def test_messages_are_the_science_rows_spread_by_object(killed: DistributeSite) -> None:
    science = killed.science()
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


def test_topics_lists_what_there_is_to_subscribe_to(
    killed: DistributeSite, expected: dict[str, list[int]], nightjar: Callable[..., str]
) -> None:
    lines = {line["topic"]: line for line in json.loads(nightjar("topics", "--json"))}
    assert set(lines) == {killed.topic_of(name) for name in expected}
    for name, ids in expected.items():
        line = lines[killed.topic_of(name)]
        assert (line["alerts"], line["alerts_last_day"]) == (len(ids), len(ids))
        assert (line["retention_days"], line["active"]) == (7.0, True)
    message = killed.messages("hostless")[0]
    shown = lines[killed.topic_of("hostless")]["schema_fingerprint"]
    assert shown == header(message, "schema_fingerprint")
    assert "New transients with no catalogued source below them" in nightjar("topics")


def test_consume_goes_on_where_its_group_stopped_and_begins_again_at_a_time(
    killed: DistributeSite,
    expected: dict[str, list[int]],
    nightjar: Callable[..., str],
    tmp_path: Path,
) -> None:
    topic = killed.topic_of("uniform_sample")
    ids = expected["uniform_sample"]
    began = killed.distributed()[0].batch_time
    group = ("--group", uuid.uuid4().hex, "--timeout", "0")

    def consume(*words: str) -> str:
        return nightjar("consume", topic, *group, *words)

    assert "Consumed 2 alerts" in consume("--max-alerts", "2", "--brief")
    assert f"Consumed {len(ids) - 2} alerts" in consume("--save", str(tmp_path / "rest.parquet"))
    assert "is 0 behind" in consume("--lag")
    assert "Consumed 0 alerts" in consume("--brief")
    assert f"Consumed {len(ids)} alerts" in consume("--brief", "--since", began.isoformat())
    later = "2100-01-01"
    assert "Consumed 0 alerts" in consume("--brief", "--since", later)
    saved = ds.dataset(tmp_path / "rest.parquet").to_table()
    assert len(set(saved["candid"].to_pylist()) & set(ids)) == len(ids) - 2


def ten_lines(project_root: Path) -> str:
    """As README.md prints them."""
    blocks = re.findall(r"```python\n(.*?)```", (project_root / "README.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if "schemaless_reader" in block)
    return found


def test_ten_lines_of_python_read_a_topic(
    killed: DistributeSite, expected: dict[str, list[int]], project_root: Path
) -> None:
    text = ten_lines(project_root)
    assert len([line for line in text.splitlines() if line.strip()]) == 10
    assert text.count(SERVERS) == text.count(TOPIC) == 1
    topic = killed.topic_of("real_not_solar_system")
    text = text.replace(SERVERS, killed.kafka.servers).replace(TOPIC, topic)
    science = killed.science()
    rows = [science[alert_id] for alert_id in expected["real_not_solar_system"]]
    wanted = {f"{row['object_id']} {row['mag']}" for row in rows}
    command = [sys.executable, "-u", "-c", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        lines = {reader.stdout.readline().strip() for _ in range(len(wanted))}
        reader.kill()
    assert lines == wanted
