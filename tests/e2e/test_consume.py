"""The client against a real Kafka: every framing, broken messages, transactions, no broker."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker.client import iterate
from broker.errors import FatalError, InputError
from broker.kafka.embedded.server import EmbeddedKafka, free_port
from broker.packets.framing import Framing, encode
from broker.packets.schemas import parse_schema, schema_text

SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "alert",
        "namespace": "toy.v7_1",
        "fields": [{"name": "candid", "type": "long"}, {"name": "mag", "type": "double"}],
    },
    "test",
)
KEY = schema_text(SCHEMA).encode()
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def packet(number: int, framing: Framing = "container") -> bytes:
    return encode({"candid": number, "mag": 15.0 + number}, SCHEMA, framing, schema_id=701)


@pytest.fixture
def topic(kafka: EmbeddedKafka) -> str:
    """A fresh topic of three partitions."""
    name = f"client-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(kafka.client_options())
    admin.create_topics([NewTopic(name, 3, 1)])[name].result()
    return name


@pytest.fixture
def send(kafka: EmbeddedKafka, topic: str) -> Callable[..., None]:
    def send(values: Iterable[bytes | None], key: bytes | None = None) -> None:
        producer = Producer(kafka.client_options())
        for number, value in enumerate(values):
            producer.produce(topic, value=value, key=key, partition=number % 3)
        assert producer.flush(30) == 0

    return send


@pytest.fixture
def nightjar(project_root: Path, kafka: EmbeddedKafka) -> Run:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(project_root / "bin" / "nightjar"), *words, "--servers", kafka.servers]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


def ids(kafka: EmbeddedKafka, topic: str, **options: Any) -> list[int]:
    alerts = iterate(topic, servers=kafka.servers, timeout_seconds=0, **options)
    return sorted(alert["candid"] for alert in alerts)


def test_a_topic_is_read_from_its_start_every_time(
    kafka: EmbeddedKafka, topic: str, send: Callable[..., None]
) -> None:
    send(packet(number) for number in range(300))
    assert ids(kafka, topic) == list(range(300))
    assert ids(kafka, topic) == list(range(300))
    assert ids(kafka, topic, where="mag BETWEEN 20 AND 22") == [5, 6, 7]
    assert len(ids(kafka, topic, max_alerts=17)) == 17


def test_all_framings_are_told_apart_in_one_topic(
    kafka: EmbeddedKafka, topic: str, send: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "v7_1").mkdir()
    (tmp_path / "v7_1" / "alert.avsc").write_text(schema_text(SCHEMA))
    send([packet(1)])
    send([packet(2, "bare")], key=KEY)
    send([packet(3, "confluent")])
    assert ids(kafka, topic, registry=tmp_path) == [1, 2, 3]


def test_bare_messages_take_the_schema_that_is_given(
    kafka: EmbeddedKafka, topic: str, send: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "alert.avsc").write_text(schema_text(SCHEMA))
    send((packet(number, "bare") for number in range(9)), key=b"an object id")
    assert ids(kafka, topic, schema=tmp_path / "alert.avsc", framing="bare") == list(range(9))


def test_a_broken_message_is_named_by_its_place_and_skipped(
    kafka: EmbeddedKafka, topic: str, send: Callable[..., None]
) -> None:
    send([packet(0), packet(1)[:-9], None, packet(3), b"Obj\x01", packet(5)])
    errors: list[InputError] = []
    assert ids(kafka, topic, on_error=errors.append) == [0, 3, 5]
    found = {str(error).split(": ")[0]: error.reason for error in errors}
    assert found == {
        f"{topic} partition 1 offset 0": "truncated",
        f"{topic} partition 2 offset 0": "empty",
        f"{topic} partition 1 offset 1": "truncated",
    }


def test_only_committed_transactions_are_read(kafka: EmbeddedKafka, topic: str) -> None:
    producer = Producer({**kafka.client_options(), "transactional.id": topic})
    producer.init_transactions()
    for number, end in enumerate((producer.commit_transaction, producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, packet(number))
        producer.flush()
        end()
    assert ids(kafka, topic) == [0]


def test_messages_that_come_within_the_timeout_are_waited_for(
    kafka: EmbeddedKafka, topic: str, send: Callable[..., None]
) -> None:
    send([packet(0)])
    alerts = iterate(topic, servers=kafka.servers, timeout_seconds=2)
    assert next(alerts)["candid"] == 0
    send([packet(1)])
    assert [alert["candid"] for alert in alerts] == [1]


def test_an_empty_topic_ends_without_an_alert(kafka: EmbeddedKafka, topic: str) -> None:
    assert ids(kafka, topic) == []


def test_a_broker_that_goes_away_is_an_error_not_the_end(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path / "kafka", free_port())
    broker.start()
    try:
        producer = Producer(broker.client_options())
        producer.produce("topic", packet(0))
        producer.flush(30)
        alerts = iterate("topic", servers=broker.servers, timeout_seconds=2)
        assert next(alerts)["candid"] == 0
    finally:
        broker.stop()
    with pytest.raises(FatalError, match=f"no Kafka answers at {broker.servers}"):
        list(alerts)


def test_the_command_prints_alerts_and_ends_with_the_count(
    nightjar: Run, topic: str, send: Callable[..., None]
) -> None:
    send([packet(7)])
    done = nightjar("consume", topic, "--timeout", "0")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"candid": 7, "mag": 22.0}
    assert done.stderr.startswith("Consumed 1 alert in ")


def test_sigterm_ends_the_wait_for_more_and_keeps_how_far_the_group_has_come(
    project_root: Path, kafka: EmbeddedKafka, topic: str, send: Callable[..., None], tmp_path: Path
) -> None:
    send(packet(number) for number in range(10))
    group = uuid.uuid4().hex
    words = ["consume", topic, "--timeout", "-1", "--group", group, "--save", str(tmp_path)]
    command = [str(project_root / "bin" / "nightjar"), *words, "--servers", kafka.servers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        saved = [reader.stdout.readline() for _ in range(10)]
        reader.terminate()
        assert reader.wait(20) == 0
    assert len({Path(path.strip()) for path in saved}) == 10
    assert ids(kafka, topic, group=group) == []


def test_the_command_reports_what_it_skipped(
    nightjar: Run, topic: str, send: Callable[..., None]
) -> None:
    send([packet(1), b"junk"])
    done = nightjar("consume", topic, "--timeout", "0", "--brief")
    assert done.returncode == 1
    assert f"skipped (not_avro): {topic} partition 1 offset 0" in done.stderr
    assert done.stderr.endswith("nightjar: 1 could not be read (named above)\n")


def test_an_unknown_topic_comes_with_its_neighbours_and_is_not_made(
    nightjar: Run, kafka: EmbeddedKafka, topic: str
) -> None:
    done = nightjar("consume", f"{topic}x")
    assert done.returncode == 2
    assert f"has no topic {topic}x; there is {topic}" in done.stderr
    assert f"{topic}x" not in AdminClient(kafka.client_options()).list_topics(timeout=10).topics


def test_schema_describes_the_first_message_of_a_topic(
    nightjar: Run, topic: str, send: Callable[..., None]
) -> None:
    assert "holds no alert yet" in nightjar("schema", topic).stderr
    send([packet(1, "bare")], key=KEY)
    shown = nightjar("schema", topic).stdout
    assert "framing      bare" in shown
    assert "version      7.1" in shown
    assert "└── mag     double" in shown
