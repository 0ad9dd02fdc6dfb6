"""A secure Kafka: every stage and command with a login, nothing without, and no secret on show."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from broker.commands.app import main
from broker.kafka.embedded.host import free_port, port_is_free
from broker.kafka.embedded.security import READER, USERS, WRITER, Security
from broker.kafka.embedded.server import EmbeddedKafka
from tests.crafted import ztf_packets
from tests.e2e.site import ROOT, Ended, Site, listen_to, make_topic, produce
from tests.job_environ import job_environ

N_ALERTS = 40
INPUT = "secure_alerts"
OUTPUT = "nightjar_ztf_everything"
FILTER = """
name = "everything"
description = "Every alert."
source = "none"
survey = "ztf"
max_share = 1.0
where = "alert_id >= 0"
"""
REFUSALS = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
STRANGER_PASSWORD = "a-strangers-own-password"


def distinct_port(taken: int) -> int:
    port = free_port()
    while port in (taken, taken + 1) or not port_is_free(port):
        port = free_port()
    return port


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    folder = tmp_path_factory.mktemp("secure")
    port = free_port()
    security = Security(folder / "secure", INPUT, "nightjar", distinct_port(port))
    broker = EmbeddedKafka(folder, port, security=security)
    broker.start()
    make_topic(broker, INPUT)
    produce(broker, INPUT, ztf_packets(range(N_ALERTS)))
    _add_stranger(broker)
    yield broker
    broker.stop()


def _add_stranger(broker: EmbeddedKafka) -> None:
    """A user whom Kafka knows, and who has no right at all."""
    admin = AdminClient(broker.client_options())
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
    change = UserScramCredentialUpsertion("stranger", credential, STRANGER_PASSWORD.encode())
    admin.alter_user_scram_credentials([change])["stranger"].result(30)


def login(broker: EmbeddedKafka, user: str) -> dict[str, str]:
    """Settings of a client."""
    assert broker.security is not None
    return {
        "kafka.security_protocol": "SASL_SSL",
        "kafka.user": user,
        "kafka.password_file": str(broker.security.password_file(user)),
        "kafka.ca_file": str(broker.security.ca_file),
    }


@pytest.fixture(scope="module")
def site(secure: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on which every stage has run as the writer, in one application."""
    root = tmp_path_factory.mktemp("site")
    (root / "filters").mkdir()
    (root / "filters" / "everything.toml").write_text(FILTER)
    words = {"filters.folder": str(root / "filters"), "science.modules": '["real_bogus"]'}
    site = Site(root, secure, INPUT, words=words | login(secure, WRITER))
    script = str(Path(__file__).with_name("stages_and_pages.py"))
    job = site._run(
        [sys.executable, script, str(root), *site.settings()],
        job_environ() | {"PYTHONPATH": str(ROOT)},
    )
    assert job.wait() == 0, job.text
    yield site
    site.stop_all()


def command(broker: EmbeddedKafka, *words: str, user: str | None = READER, **environ: str) -> Ended:
    """A command of the command line as a user, or as nobody."""
    assert broker.security is not None
    logs = sorted(broker.folder.glob("command-*"))
    log = broker.folder / f"command-{len(logs)}.log"
    if user is not None:
        words += tuple(w for k, v in login(broker, user).items() for w in ("--set", f"{k}={v}"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        ended = listen_to(lambda: main(words))
    log.write_text(ended.text)
    return ended


def test_alerts_go_from_topic_to_topic_and_the_audit_agrees(
    site: Site, secure: EmbeddedKafka
) -> None:
    read = command(secure, "consume", OUTPUT, "--brief", "--timeout", "0", *servers(secure))
    assert read.code == 0, read.text
    assert f"Consumed {N_ALERTS} alerts" in read.text
    group = ("--group", "reader-1", "--timeout", "0")
    resumed = command(secure, "consume", OUTPUT, "--brief", *group, *servers(secure))
    assert f"Consumed {N_ALERTS} alerts" in resumed.text
    listed = command(secure, "topics", *servers(secure))
    assert f"{N_ALERTS} in all; kept 7 days" in listed.text
    code, findings = site.audit("--deep")
    assert code == 0, [finding for finding in findings if not finding["holds"]]


def servers(broker: EmbeddedKafka) -> tuple[str, str]:
    return ("--servers", broker.servers)


def test_a_password_may_come_from_the_environment(site: Site, secure: EmbeddedKafka) -> None:
    assert secure.security is not None
    words = login(secure, READER)
    del words["kafka.password_file"]
    options = [w for k, v in words.items() for w in ("--set", f"{k}={v}")]
    password = secure.security.password_file(READER).read_text()
    job = command(
        secure,
        *("consume", OUTPUT, "--brief", "--max-alerts", "1", *servers(secure), *options),
        user=None,
        NIGHTJAR__KAFKA__PASSWORD=password,
    )
    assert "Consumed 1 alert in" in job.text


def test_whoever_has_no_right_reads_nothing(site: Site, secure: EmbeddedKafka) -> None:
    brief = ("--brief", "--timeout", "0")
    without_login = command(secure, "consume", OUTPUT, *brief, *servers(secure), user=None)
    assert without_login.code == 3
    assert "Consumed" not in without_login.text
    wrong_topic = command(secure, "consume", INPUT, *brief, *servers(secure))
    assert wrong_topic.code == 2
    assert f"has no topic {INPUT} that reader may see" in wrong_topic.text
    wrong_group = command(secure, "consume", OUTPUT, *brief, "--group", "others", *servers(secure))
    assert wrong_group.code == 3
    assert "this user may not use the consumer group" in wrong_group.reason
    for topic in (INPUT, OUTPUT):
        assert error_of_reading(stranger(secure), topic, "open-1") in REFUSALS
    reader = secure_options(secure, READER)
    assert error_of_reading(reader, OUTPUT, "reader-2") is None
    assert error_of_reading(reader, INPUT, "reader-2") == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert error_of_sending(reader, OUTPUT) is not None


def secure_options(broker: EmbeddedKafka, user: str) -> dict[str, str]:
    assert broker.security is not None
    servers = {"bootstrap.servers": broker.servers}
    return servers | broker.security.login(user).client_options()


def stranger(broker: EmbeddedKafka) -> dict[str, str]:
    own = {"sasl.username": "stranger", "sasl.password": STRANGER_PASSWORD}
    return secure_options(broker, READER) | own


def error_of_reading(options: dict[str, str], topic: str, group: str) -> int | None:
    """Kafka's reason not to give us a topic; None with a message."""
    consumer = Consumer({**options, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        message = None
        while message is None:
            message = consumer.poll(60)
        error = message.error()
        return None if error is None else error.code()
    finally:
        consumer.close()


def error_of_sending(options: dict[str, str], topic: str) -> KafkaError | None:
    errors: list[KafkaError | None] = []
    producer = Producer(options)
    producer.produce(topic, b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(60)
    return errors[0]


def test_the_open_listener_gives_the_output_to_anybody_and_nothing_else(
    site: Site, secure: EmbeddedKafka
) -> None:
    assert secure.security is not None
    address = f"127.0.0.1:{secure.security.open_port}"
    options = {"bootstrap.servers": address}
    read = command(
        secure, "consume", OUTPUT, "--brief", "--timeout", "0", "--servers", address, user=None
    )
    assert f"Consumed {N_ALERTS} alerts" in read.text
    assert error_of_reading(options, OUTPUT, "open-1") is None
    assert error_of_reading(options, INPUT, "open-2") == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert error_of_reading(options, OUTPUT, "reader-1") == KafkaError.GROUP_AUTHORIZATION_FAILED
    assert error_of_sending(options, OUTPUT) is not None
    topics = AdminClient(options).list_topics(timeout=30).topics
    assert sorted(topics) == [OUTPUT, "nightjar_ztf_published"]


@pytest.mark.parametrize("words", [("jobs/stream2raw.py", "--once"), ("jobs/distribute.py",)])
def test_a_wrong_password_is_one_line_before_spark_starts(
    site: Site, secure: EmbeddedKafka, tmp_path: Path, words: tuple[str, ...]
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password")
    options = [*site.settings(), "--set", f"kafka.password_file={wrong}"]
    done = subprocess.run(
        [sys.executable, *words, "--survey", "ztf", *options],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "SPARK_CONF_DIR": "conf", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 3
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1
    assert f"Kafka at {secure.servers}: the user or password is wrong" in done.stderr
    assert "not-the-password" not in done.stderr


def test_a_sender_without_the_right_is_told_so(site: Site, secure: EmbeddedKafka) -> None:
    job = command(secure, "simulate", "--synthetic", "1", *servers(secure), "--topic", INPUT)
    assert job.code == 3
    assert "uthoriz" in job.reason


def test_no_secret_is_on_show(site: Site, secure: EmbeddedKafka) -> None:
    assert secure.security is not None
    secrets = [secure.security.password_file(user).read_bytes() for user in (*USERS, "keystore")]
    everything = [path for path in site.root.rglob("*") if path.is_file()]
    assert len([path for path in everything if path.match("page-*.html")]) > 10
    logs = [path for path in secure.folder.glob("*.log") if path.is_file()]
    found = []
    for path in [*everything, *logs]:
        content = path.read_bytes()
        found += [path for secret in secrets if secret in content or secret in _unpacked(content)]
    assert found == []
    shown = (site.root / "job-0.log").read_text()
    assert "== Analyzed Logical Plan ==" in shown
    assert "subscribe=secure_alerts" in shown


def _unpacked(content: bytes) -> bytes:
    try:
        return zlib.decompress(content, 31)
    except zlib.error:
        return b""


def test_the_secrets_are_for_the_owner_alone(secure: EmbeddedKafka) -> None:
    assert secure.security is not None
    assert secure.security.folder.stat().st_mode & 0o077 == 0
    private = [*secure.security.folder.glob("*.password"), secure.properties_path]
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)
    assert not list(secure.folder.glob("*.arguments"))
