"""A silent cluster is asked until patience ends; an error that waiting cannot fix ends it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.errors import FatalError, UsageError
from broker.kafka.cluster import KafkaCluster
from broker.kafka.positions import TopicPartition, Watermarks


class Future:
    """An answer, or the error instead of it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def result(self) -> Any:
        if isinstance(self._answer, int):
            raise KafkaException(KafkaError(self._answer, "pretended"))
        return self._answer


class PretendedAdmin:
    """Fails ``silences`` times to list topics, with this code reported to the error callback."""

    silences = 0
    code = KafkaError._TRANSPORT
    creation: int | None = None
    offsets: dict[str, Any] = {}  # noqa: RUF012 - replaced whole by a test

    def __init__(self, options: dict[str, Any]) -> None:
        self._report = options["error_cb"]
        self.asked = 0

    def list_topics(self, timeout: float) -> Any:
        self.asked += 1
        if self.asked <= self.silences:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "silence"))
        topics = {"a": range(2), "b": range(1), "broken": range(0)}
        found = {
            name: SimpleNamespace(partitions=dict.fromkeys(numbers))
            for name, numbers in topics.items()
        }
        return SimpleNamespace(brokers={1: "one"}, topics=found)

    def poll(self, _seconds: float) -> None:
        self._report(KafkaError(self.code, "reported"))

    def create_topics(self, new: list[Any], **_: Any) -> dict[str, Future]:
        return {topic.topic: Future(self.creation) for topic in new}

    def list_offsets(self, wanted: dict[Any, Any], **_: Any) -> dict[Any, Future]:
        return {at: Future(self.offsets.get(at.topic, SimpleNamespace(offset=7))) for at in wanted}


def cluster(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> KafkaCluster:
    monkeypatch.setattr("broker.kafka.cluster.AdminClient", type("A", (PretendedAdmin,), changes))
    return KafkaCluster({"bootstrap.servers": "nowhere:1"}, 0.5, "kafka.servers")


def test_topics_and_partitions_are_listed_without_those_that_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = cluster(monkeypatch)
    assert found.topics() == {"a": 2, "b": 1}
    assert found.partitions() == {
        TopicPartition("a", 0),
        TopicPartition("a", 1),
        TopicPartition("b", 0),
    }


def test_a_cluster_that_is_silent_at_first_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster(monkeypatch, silences=3).answers()


def test_a_cluster_that_stays_silent_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = cluster(monkeypatch, silences=10**9)
    with pytest.raises(FatalError, match=r"no Kafka answers at nowhere:1 within 0\.5 s") as caught:
        silent.topics()
    assert "is kafka.servers right?" in str(caught.value)
    assert not silent.answers()


def test_a_wrong_password_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = cluster(monkeypatch, silences=1, code=KafkaError._AUTHENTICATION)
    with pytest.raises(FatalError, match="the user or password is wrong"):
        refused.topics()


def test_watermarks_are_given_of_partitions_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = TopicPartition("gone", 0)
    deleted = {"b": KafkaError.UNKNOWN_TOPIC_OR_PART}
    found = cluster(monkeypatch, offsets=deleted).watermarks(
        {TopicPartition("a", 0), TopicPartition("b", 0), gone}
    )
    assert found == {TopicPartition("a", 0): Watermarks(7, 7)}


def test_offsets_that_we_may_not_see_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    forbidden = cluster(monkeypatch, offsets={"a": KafkaError.TOPIC_AUTHORIZATION_FAILED})
    with pytest.raises(FatalError, match="this user may not use the topic"):
        forbidden.watermarks({TopicPartition("a", 0)})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.INVALID_PARTITIONS, UsageError),
        (KafkaError.TOPIC_EXCEPTION, UsageError),
        (KafkaError.POLICY_VIOLATION, FatalError),
    ],
)
def test_a_topic_that_is_refused_is_named(
    monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    with pytest.raises(expected, match="does not create topic 'a': pretended"):
        cluster(monkeypatch, creation=code).create_topic("a", 1, {})


def test_a_topic_that_exists_already_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, creation=KafkaError.TOPIC_ALREADY_EXISTS).create_topic("a", 1, {})
