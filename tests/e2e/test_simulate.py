"""The simulator as its users call it, into a real Kafka."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from broker.kafka.embedded.server import EmbeddedKafka, free_port
from broker.packets.files import iterate_packets
from broker.packets.framing import Decoder, Encoder
from broker.packets.schemas import parse_schema

Run = Callable[..., subprocess.CompletedProcess[str]]

SEED_CONF = """\
KAFKA_IPPORT="{servers}"
KAFKA_TOPIC="{topic}"
FINK_DATA_SIM={folder}
DISPLAY_FIELD=diaSource,midPointTai
NALERTS_PER_OBS=5
NOBSERVATIONS=3
TIME_INTERVAL=1
"""
BIG = parse_schema(
    {
        "type": "record",
        "name": "ztf.alert",
        "fields": [
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {"name": "cutoutScience", "type": "bytes"},
            {
                "name": "candidate",
                "type": {
                    "type": "record",
                    "name": "ztf.candidate",
                    "fields": [{"name": "jd", "type": "double"}],
                },
            },
        ],
    },
    "test",
)


@pytest.fixture
def simulate(project_root: Path) -> Run:
    """Call `bin/nightjar simulate …`."""

    def call(*words: object, cwd: Path = project_root) -> subprocess.CompletedProcess[str]:
        command = [str(project_root / "bin" / "nightjar"), "simulate", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)

    return call


def read(kafka: EmbeddedKafka, topic: str) -> list[Message]:
    """Every message of a topic, partition by partition."""
    consumer = Consumer({**kafka.client_options(), "group.id": "test"})
    found: list[Message] = []
    for partition in sorted(consumer.list_topics(topic, 10).topics[topic].partitions):
        place = TopicPartition(topic, partition, 0)
        _, end = consumer.get_watermark_offsets(place, 10)
        consumer.assign([place])
        found += consumer.consume(end, timeout=30) if end else []
    consumer.close()
    return found


def prototype_alerts(folder: Path) -> list[dict[str, Any]]:
    """The prototype nights by time, read without the simulator."""
    records = [Decoder().decode(packet.value).record for packet in iterate_packets(folder)]
    return sorted(records, key=lambda record: record["diaSource"]["midPointTai"])


def test_the_prototype_nights_play_as_with_fink_alert_simulator(
    shared_data: Path, kafka: EmbeddedKafka, simulate: Run, tmp_path: Path
) -> None:
    folder = shared_data / "elasticc" / "prototype"
    conf = tmp_path / "elasticc.conf"
    conf.write_text(SEED_CONF.format(servers=kafka.servers, topic="seed", folder=folder))
    done = simulate("-c", conf, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    earliest = prototype_alerts(folder)
    shown = [record["diaSource"]["midPointTai"] for record in earliest]
    expected = [
        rf"Total alert available \({re.escape(str(folder))}\): {len(earliest)}",
        r"Total alert to be sent: 15",
        r"t0: \d+\.\d+",
    ]
    for number in range(3):
        first, last = shown[5 * number], shown[5 * number + 4]
        expected += [
            r"Observation start: t0 \+ : (\d+\.\d\d) seconds",
            rf"5 alerts sent \({first} to {last}\)",
            rf"Observation {number + 1} done\.\.\.",
        ]
    expected.append(
        r"Sent 15, failed 0, \d+\.\d\d seconds, \d\.\d alerts per second, 0\.\d\d MB per second"
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(expected), done.stdout
    matches = [re.fullmatch(*pair) for pair in zip(expected, lines, strict=True)]
    assert all(matches), done.stdout
    starts = [float(match[1]) for match in matches if match and match.groups()]
    assert [start >= number for number, start in enumerate(starts)] == [True] * 3

    messages = read(kafka, "seed")
    schema = fastavro.schema.load_schema(
        shared_data / "schema/elasticc/v0_9_prototype/elasticc.v0_9.alert.embedded.avsc"
    )
    decoder = Decoder("bare", schema)
    sent = [decoder.decode(message.value()).record for message in messages]
    assert sent == earliest[:15]
    keys = [message.key().decode() for message in messages]
    assert keys == [str(record["diaSource"]["diaObjectId"]) for record in sent]


def test_every_packet_arrives_unchanged_and_objects_stay_in_order(
    shared_data: Path, kafka: EmbeddedKafka, simulate: Run
) -> None:
    folder = shared_data / "ztf"
    done = simulate(folder, "--servers", kafka.servers, "--topic", "whole", "--partitions", 3)
    assert done.returncode == 0, done.stderr
    messages = read(kafka, "whole")
    stored = sorted(packet.value for packet in iterate_packets(folder))
    assert sorted(message.value() for message in messages) == stored
    partitions: dict[bytes, set[int]] = {}
    times: dict[int, list[float]] = {}
    for message in messages:
        record = Decoder().decode(message.value()).record
        assert message.key().decode() == record["objectId"]
        partitions.setdefault(message.key(), set()).add(message.partition())
        times.setdefault(message.partition(), []).append(record["candidate"]["jd"])
    assert all(len(found) == 1 for found in partitions.values())
    assert sorted(times) == [0, 1, 2]
    assert all(found == sorted(found) for found in times.values())


def test_faults_reach_the_topic_as_counted(
    shared_data: Path, kafka: EmbeddedKafka, simulate: Run
) -> None:
    faults = ("--corrupt-fraction", 0.2, "--repeat-fraction", 0.2, "--shuffle-window", 30)
    folder = shared_data / "ztf"
    done = simulate(folder, "--servers", kafka.servers, "--topic", "faults", *faults)
    assert done.returncode == 0, done.stderr
    counted = re.search(r"Faults: (\d+) corrupted, (\d+) repeated", done.stdout)
    assert counted is not None, done.stdout
    corrupted, repeated = map(int, counted.groups())
    stored = {packet.value for packet in iterate_packets(folder)}
    values = [message.value() or b"" for message in read(kafka, "faults")]
    whole = [value for value in values if value in stored]
    assert len(values) == len(stored) + repeated
    assert len(set(whole)) == len(stored) - corrupted
    assert len(whole) == len(stored) - corrupted + repeated


def test_a_message_that_kafka_refuses_is_counted_and_fails_the_run(
    kafka: EmbeddedKafka, simulate: Run, tmp_path: Path
) -> None:
    encoder = Encoder(BIG, "container")
    for number, size in enumerate((100, 11 * 1024 * 1024, 100)):
        record = {
            "objectId": f"ZTF18aaaaaa{number}",
            "candid": number,
            "cutoutScience": bytes(size),
            "candidate": {"jd": 2459000.5 + number},
        }
        (tmp_path / f"{number}.avro").write_bytes(encoder.encode(record))
    done = simulate(tmp_path, "--servers", kafka.servers, "--topic", "too_large")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("Sent 2, failed 1, ")
    assert "1 message was not delivered" in done.stderr
    assert len(read(kafka, "too_large")) == 2


def test_a_topic_that_exists_keeps_its_partitions(
    shared_data: Path, kafka: EmbeddedKafka, simulate: Run
) -> None:
    admin = AdminClient(kafka.client_options())
    admin.create_topics([NewTopic("two", num_partitions=2, replication_factor=1)])["two"].result(30)
    folder = shared_data / "elasticc" / "unpacked_prototype"
    done = simulate(folder, "--servers", kafka.servers, "--topic", "two", "--partitions", 5)
    assert done.returncode == 0
    assert "topic two exists with 2 partitions" in done.stderr


def test_without_a_broker_the_job_says_so_and_exits_3(
    project_root: Path, shared_data: Path
) -> None:
    servers = f"localhost:{free_port()}"
    script = project_root / "jobs" / "simulate.py"
    folder = shared_data / "elasticc" / "unpacked_prototype"
    words = [sys.executable, script, folder, "--servers", servers]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 3
    assert done.stderr.startswith(f"nightjar: no Kafka answers at {servers}")
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--topic", "t"], "nothing to play"),
        (["/nowhere"], "no file or folder /nowhere"),
        ([".", "--topic", "a b"], "--topic"),
        ([".", "--burst", "10"], "--every"),
        ([".", "--framing", "xml"], "--framing"),
        ([".", "--out", "x"], "--synthetic"),
    ],
)
def test_wrong_words_exit_2_and_name_the_next_step(
    simulate: Run, words: list[str], said: str
) -> None:
    done = simulate(*words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_confirms_and_counts_what_it_sent(
    project_root: Path, shared_data: Path, kafka: EmbeddedKafka, number: int
) -> None:
    topic = f"stopped_{number}"
    script = [str(project_root / "bin" / "nightjar"), "simulate", str(shared_data / "ztf")]
    words = [*script, "--servers", kafka.servers, "--topic", topic]
    words += ["--alerts-per-observation", "7", "--interval", "600"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        lines = iter(run.stdout.readline, "")
        assert any(line == "Observation 1 done...\n" for line in lines)
        run.send_signal(number)
        assert [line.split(",")[0] for line in lines] == ["Sent 7"]
    assert run.returncode == 130
    assert len(read(kafka, topic)) == 7


def test_a_synthetic_night_is_the_same_streamed_and_written(
    kafka: EmbeddedKafka, simulate: Run, tmp_path: Path
) -> None:
    night = ("--synthetic", 30, "--seed", 3)
    written = simulate(*night, "--out", tmp_path / "night")
    streamed = simulate(*night, "--servers", kafka.servers, "--topic", "synthetic")
    assert (written.returncode, streamed.returncode) == (0, 0), streamed.stderr
    assert "Total alert available (synthetic night, seed 3): 30" in streamed.stdout
    stored = sorted(packet.value for packet in iterate_packets(tmp_path / "night"))
    messages = read(kafka, "synthetic")
    assert sorted(message.value() for message in messages) == stored
    records = [Decoder().decode(message.value()).record for message in messages]
    times = [record["candidate"]["jd"] for record in records]
    assert times == sorted(times)
    assert [message.key().decode() for message in messages] == [r["objectId"] for r in records]
