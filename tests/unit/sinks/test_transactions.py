"""What a sender does when Kafka ends it, with a client that only pretends."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.errors import PublishError
from broker.sinks.transactions import OutgoingMessage, Send, Transactions


class PretendedProducer:
    """Commits fail with an error of this code; what is called is noted."""

    code = KafkaError._FENCED
    is_fatal = True

    def __init__(self, _options: dict[str, Any]) -> None:
        self.called: list[str] = []

    def commit_transaction(self, _seconds: float) -> None:
        error = KafkaError(self.code, "pretended", self.is_fatal, False, not self.is_fatal)
        raise KafkaException(error)

    def __getattr__(self, name: str) -> Any:
        def note(*_: Any, **__: Any) -> None:
            self.called.append(name)

        return note


def sender(monkeypatch: pytest.MonkeyPatch, code: int, is_fatal: bool) -> Transactions:
    monkeypatch.setattr(PretendedProducer, "code", code)
    monkeypatch.setattr(PretendedProducer, "is_fatal", is_fatal)
    monkeypatch.setattr("broker.sinks.transactions.Producer", PretendedProducer)
    return Transactions({"bootstrap.servers": "nowhere:1"}, "id", 5, "distribute")


def send_one(send: Send) -> None:
    send(OutgoingMessage("topic", 0, b"key", b"value"))


def aborts(transactions: Transactions) -> int:
    producer: Any = transactions._producer
    return int(producer.called.count("abort_transaction"))


@pytest.mark.parametrize("code", [KafkaError._FENCED, KafkaError.PRODUCER_FENCED])
def test_a_sender_that_was_shut_out_does_not_wait_for_the_end_of_its_transaction(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    transactions = sender(monkeypatch, code, is_fatal=True)
    with pytest.raises(PublishError, match="another distribute took over"):
        transactions.transact(send_one)
    assert aborts(transactions) == 0


def test_a_sender_whose_client_gave_up_says_that_the_next_start_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transactions = sender(monkeypatch, KafkaError._FATAL, is_fatal=True)
    with pytest.raises(PublishError, match=r"ended the sender: pretended .* start continues"):
        transactions.transact(send_one)
    assert aborts(transactions) == 0


def test_a_transaction_that_kafka_gives_up_is_aborted_and_sent_again_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transactions = sender(monkeypatch, KafkaError.INVALID_TXN_STATE, is_fatal=False)
    with pytest.raises(PublishError, match="refused the transaction 3 times: pretended"):
        transactions.transact(send_one)
    assert aborts(transactions) == 3
