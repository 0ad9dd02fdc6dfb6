"""A secure embedded Kafka before it starts: what is refused, and the rights that it will give."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclBinding, AclOperation
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from broker.commands.app import main
from broker.errors import SettingsError
from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.security import ANYONE, READER, WRITER, Security


def rights(input_topic: str, open_port: int | None = None) -> list[AclBinding]:
    return list(Security(Path("unused"), input_topic, "nightjar", open_port).rights())


def of_user(user: str, found: list[AclBinding]) -> set[tuple[ResourceType, str, AclOperation]]:
    return {
        (right.restype, right.name, right.operation)
        for right in found
        if right.principal == f"User:{user}"
    }


def start(folder: Path, *words: str) -> list[str]:
    return ["kafka", "start", "--dir", str(folder), "--port", str(free_port()), *words]


def test_an_open_listener_is_for_a_secure_kafka(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(start(tmp_path, "--set", "embedded_kafka.open_port=9095")) == 2
    assert "without --secure every port is open" in capsys.readouterr().err


def test_the_open_listener_wants_a_port_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = start(tmp_path, "--secure")
    port = int(words[words.index("--port") + 1])
    assert main([*words, "--set", f"embedded_kafka.open_port={port + 1}"]) == 2
    assert f"embedded_kafka.open_port = {port + 1} is one of Kafka's own" in capsys.readouterr().err


def test_topics_without_users_do_not_become_secure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").touch()
    assert main(start(tmp_path, "--secure")) == 2
    assert "were made without --secure and have no users" in capsys.readouterr().err


def test_a_reader_may_read_the_output_and_write_nothing() -> None:
    topics = {right for right in of_user(READER, rights("in")) if right[0] is ResourceType.TOPIC}
    assert {(name, operation) for _, name, operation in topics} == {
        ("nightjar_", AclOperation.READ),
        ("nightjar_", AclOperation.DESCRIBE_CONFIGS),
    }
    assert of_user(ANYONE, rights("in")) == set()
    anyone = of_user(ANYONE, rights("in", open_port=1))
    assert {right for right in anyone if right[0] is ResourceType.TOPIC} == topics


def test_only_the_writer_may_send_in_transactions() -> None:
    found = [right for right in rights("in", 1) if right.restype is ResourceType.TRANSACTIONAL_ID]
    (right,) = found
    assert (right.principal, right.name) == (f"User:{WRITER}", "nightjar-")


def test_a_pattern_of_input_topics_gives_rights_on_how_they_all_begin() -> None:
    found = [right for right in rights("ztf_[0-9]{8}_programid1") if right.name == "ztf_"]
    assert {right.resource_pattern_type for right in found} == {ResourcePatternType.PREFIXED}
    named = [right for right in rights("ztf_alerts") if right.name == "ztf_alerts"]
    assert {right.resource_pattern_type for right in named} == {ResourcePatternType.LITERAL}
    with pytest.raises(SettingsError, match="must begin alike"):
        rights("(ztf|lsst)_alerts")
