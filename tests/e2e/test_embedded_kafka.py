"""The embedded Kafka as its users call it: ``bin/nightjar kafka …``."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from broker.errors import FatalError
from broker.kafka.embedded.host import free_port, port_is_free
from broker.kafka.embedded.server import EmbeddedKafka


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker that is not started yet, and surely stopped afterwards."""
    broker = EmbeddedKafka(tmp_path / "kafka", free_port())
    yield broker
    broker.stop()


@pytest.fixture
def nightjar(project_root: Path, broker: EmbeddedKafka):
    """Call `bin/nightjar kafka WORD` for the broker of this test."""

    def call(word: str, *options: str) -> subprocess.CompletedProcess[str]:
        words = [
            str(project_root / "bin" / "nightjar"),
            *("kafka", word, "--dir", str(broker.folder)),
            *(options or ("--port", str(broker.port))),
        ]
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")

    return call


def produce(broker: EmbeddedKafka, topic: str, *values: bytes) -> None:
    producer = Producer(broker.client_options())
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def read(broker: EmbeddedKafka, topic: str, count: int) -> list[bytes]:
    options = {"group.id": "test", "auto.offset.reset": "earliest"}
    consumer = Consumer({**broker.client_options(), **options})
    consumer.subscribe([topic])
    values = [message.value() for message in consumer.consume(count, timeout=30)]
    consumer.close()
    return values


def test_topics_outlive_a_restart_even_at_another_port(nightjar, broker: EmbeddedKafka) -> None:
    started = nightjar("start")
    assert started.returncode == 0, started.stderr
    assert f"Kafka is up at 127.0.0.1:{broker.port}" in started.stdout
    assert str(broker.log_file) in started.stdout
    large = b"x" * 9_000_000
    admin = AdminClient(broker.client_options())
    admin.create_topics([NewTopic("alerts", 1)])["alerts"].result()
    produce(broker, "alerts", b"first")

    assert nightjar("stop").stdout == "Kafka is stopped\n"
    broker.port = free_port()
    assert nightjar("start").returncode == 0
    producer = Producer({**broker.client_options(), "message.max.bytes": 10_000_000})
    producer.produce("alerts", large)
    assert producer.flush(30) == 0
    assert read(broker, "alerts", 2) == [b"first", large]


def test_status_tells_by_its_exit_code_whether_it_runs(nightjar, broker: EmbeddedKafka) -> None:
    before = nightjar("status")
    assert (before.returncode, before.stderr) == (1, "")
    assert "no Kafka" in before.stdout
    started = nightjar("start")
    assert started.returncode == 0, started.stderr
    running = nightjar("status")
    assert running.returncode == 0
    assert f"127.0.0.1:{broker.port}" in running.stdout

    again = nightjar("start")
    assert again.returncode == 0
    assert "runs already" in again.stdout
    other = nightjar("start", "--port", str(free_port()))
    assert other.returncode == 2
    assert f"runs already, at port {broker.port}" in other.stderr
    wrong = nightjar("stop", "--port", str(broker.port + 7))
    assert wrong.returncode == 2
    assert nightjar("status").returncode == 0

    assert nightjar("stop").returncode == 0
    assert nightjar("status").returncode == 1
    assert "is running" in nightjar("stop").stdout


@pytest.mark.parametrize("taken", [0, 1])
def test_a_taken_port_is_named_with_the_way_to_another(nightjar, broker, taken: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", broker.port + taken))
        other.listen()
        refused = nightjar("start")
    assert refused.returncode == 2
    assert f"port {broker.port + taken}" in refused.stderr
    assert "nightjar kafka start --port" in refused.stderr
    assert broker.status().pid is None


def test_a_killed_broker_starts_again_with_its_topics(broker: EmbeddedKafka) -> None:
    # So long Kafka takes the killed one to be alive.
    broker.properties["broker.session.timeout.ms"] = "3000"
    broker.start()
    produce(broker, "alerts", b"first")
    pid = broker.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while not (port_is_free(broker.port) and port_is_free(broker.port + 1)):
        time.sleep(0.1)
    assert broker.start()
    assert read(broker, "alerts", 1) == [b"first"]


def test_a_recycled_process_id_is_never_stopped(broker: EmbeddedKafka) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        broker.folder.mkdir()
        state = {"pid": stranger.pid, "port": broker.port}
        (broker.folder / "server.json").write_text(json.dumps(state))
        assert broker.status().pid is None
        assert not broker.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_a_broker_that_cannot_start_says_why(broker: EmbeddedKafka) -> None:
    broker.properties["log.retention.hours"] = "long"
    with pytest.raises(FatalError, match=r"Invalid value long for configuration log\.retention"):
        broker.start()
    assert broker.status().pid is None


def test_properties_come_from_a_file(nightjar, broker: EmbeddedKafka, tmp_path: Path) -> None:
    extra = tmp_path / "extra.properties"
    extra.write_text("auto.create.topics.enable=false\n")
    words = (f"embedded_kafka.properties_file={extra}", f"embedded_kafka.port={broker.port}")
    done = nightjar("start", *(word for key in words for word in ("--set", key)))
    assert done.returncode == 0, done.stderr
    admin = AdminClient(broker.client_options())
    node = ConfigResource(ConfigResource.Type.BROKER, "1")
    assert (
        admin.describe_configs([node])[node].result()["auto.create.topics.enable"].value == "false"
    )


def test_a_missing_properties_file_is_named(nightjar) -> None:
    done = nightjar("start", "--set", "embedded_kafka.properties_file=/nowhere/x")
    assert done.returncode == 2
    assert "/nowhere/x cannot be read" in done.stderr
