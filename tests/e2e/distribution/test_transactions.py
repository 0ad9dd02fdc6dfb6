"""The sender of one stage against a real Kafka that comes and goes, without Spark."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from broker.errors import FatalError, PublishError
from broker.kafka.cluster import KafkaCluster
from broker.kafka.embedded.server import EmbeddedKafka
from broker.kafka.positions import TopicPartition
from broker.kafka.reader import read_committed
from broker.sinks.transactions import MAX_MESSAGE_BYTES, OutgoingMessage, Send, Transactions

PATIENCE = 20.0


@pytest.fixture
def topic(kafka: EmbeddedKafka) -> str:
    return make_topic(kafka)


def make_topic(kafka: EmbeddedKafka, partitions: int = 2) -> str:
    name = f"t{uuid.uuid4().hex[:8]}"
    KafkaCluster(kafka.client_options(), PATIENCE).create_topic(name, partitions, {})
    return name


def sender(kafka: EmbeddedKafka, topic: str, patience: float = PATIENCE) -> Transactions:
    transactions = Transactions(kafka.client_options(), f"id-{topic}", patience, "distribute")
    transactions.start()
    return transactions


def send_numbers(topic: str, numbers: range, size: int = 10) -> object:
    def send_all(send: Send) -> None:
        for number in numbers:
            value = str(number).encode().ljust(size)
            send(OutgoingMessage(topic, number % 2, b"key", value, [("alert_id", b"1")]))

    return send_all


def numbers_in(kafka: EmbeddedKafka, topic: str) -> list[int]:
    messages = read_committed(kafka.client_options(), topic, 2, PATIENCE)
    return sorted(int(message.value() or b"-1") for message in messages)


def test_a_transaction_is_seen_whole_or_not_at_all(kafka: EmbeddedKafka, topic: str) -> None:
    transactions = sender(kafka, topic)
    transactions.transact(send_numbers(topic, range(100)))

    def fail(send: Send) -> None:
        send_numbers(topic, range(100, 200))(send)
        raise ValueError("the rows ran out")

    with pytest.raises(ValueError, match="the rows ran out"):
        transactions.transact(fail)
    assert numbers_in(kafka, topic) == list(range(100))
    transactions.transact(send_numbers(topic, range(200, 300)))
    assert numbers_in(kafka, topic) == [*range(100), *range(200, 300)]
    partitions = {TopicPartition(topic, number) for number in range(2)}
    kept = KafkaCluster(kafka.client_options(), PATIENCE).watermarks(partitions)
    assert {at: marks.low for at, marks in kept.items()} == dict.fromkeys(partitions, 0)


def test_a_second_sender_shuts_out_the_first(kafka: EmbeddedKafka, topic: str) -> None:
    first = sender(kafka, topic)
    first.transact(send_numbers(topic, range(10)))
    second = sender(kafka, topic)
    with pytest.raises(PublishError, match="another distribute took over") as caught:
        first.transact(send_numbers(topic, range(10, 20)))
    assert caught.value.exit_code == 3
    second.transact(send_numbers(topic, range(20, 30)))
    assert numbers_in(kafka, topic) == [*range(10), *range(20, 30)]


def test_a_second_sender_aborts_what_the_first_has_in_hand(
    kafka: EmbeddedKafka, topic: str
) -> None:
    first = sender(kafka, topic)
    second: list[Transactions] = []

    def interrupted(send: Send) -> None:
        send_numbers(topic, range(500), size=10_000)(send)
        time.sleep(0.5)
        second.append(sender(kafka, topic))

    with pytest.raises(PublishError, match="another distribute took over"):
        first.transact(interrupted)
    assert len(second) == 1
    assert numbers_in(kafka, topic) == []


def test_a_broker_that_comes_back_in_time_is_waited_for(restless: EmbeddedKafka) -> None:
    topic = make_topic(restless)
    transactions = sender(restless, topic, patience=60)
    transactions.transact(send_numbers(topic, range(10)))

    def through_an_outage(send: Send) -> None:
        send_numbers(topic, range(10, 200))(send)
        restless.stop()
        threading.Timer(2, restless.start).start()
        send_numbers(topic, range(200, 400))(send)

    transactions.transact(through_an_outage)
    assert numbers_in(restless, topic) == list(range(400))


def test_a_broker_that_stays_away_ends_it_and_the_next_start_goes_on(
    restless: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.sinks.transactions._ABORT_SECONDS", 1.0)
    topic = make_topic(restless)
    transactions = sender(restless, topic, patience=4)

    def into_the_void(send: Send) -> None:
        send_numbers(topic, range(100))(send)
        restless.stop()
        send_numbers(topic, range(100, 200))(send)

    with pytest.raises(PublishError, match=r"the next start continues here") as caught:
        transactions.transact(into_the_void)
    assert restless.servers in str(caught.value)
    with pytest.raises(
        FatalError, match="did not initialise the transactional producer within 2 s"
    ):
        sender(restless, topic, patience=2)
    restless.start()
    assert numbers_in(restless, topic) == []
    sender(restless, topic).transact(send_numbers(topic, range(100)))
    assert numbers_in(restless, topic) == list(range(100))


def test_more_than_the_queue_holds_goes_through(kafka: EmbeddedKafka, topic: str) -> None:
    sender(kafka, topic, patience=120).transact(send_numbers(topic, range(1500), size=100_000))
    assert numbers_in(kafka, topic) == list(range(1500))


def test_a_message_that_no_topic_takes_names_its_alert(kafka: EmbeddedKafka, topic: str) -> None:
    transactions = sender(kafka, topic)
    message = OutgoingMessage(topic, 0, b"key", bytes(MAX_MESSAGE_BYTES), [("alert_id", b"987")])
    with pytest.raises(PublishError, match=r"alert 987 .* topic " + topic):
        transactions.transact(lambda send: send(message))
    transactions.transact(send_numbers(topic, range(3)))
    assert numbers_in(kafka, topic) == [0, 1, 2]
