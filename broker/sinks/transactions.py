"""Transactional Kafka producer: readers see all messages of a transaction, once, or none."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from broker.deadline import Deadline
from broker.errors import FatalError, PublishError
from broker.kafka.errors import ErrorCallback
from broker.sinks.faults import fault_point

MAX_MESSAGE_BYTES = 10_485_760
"""Largest message that our topics take."""
# Beyond the time that a message may take, so that Kafka never gives up before we do.
_TRANSACTION_MARGIN_S = 60
_TRIES = 3
_ABORT_SECONDS = 10.0
_STEP_SECONDS = 0.5
# Even with log_level 0 the client prints what is fatal to it; we say it in our own words.
_SILENT = logging.Logger("librdkafka", logging.CRITICAL + 1)
_FENCED = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
}


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to be sent."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


Send = Callable[[OutgoingMessage], None]


class _SenderEnded(PublishError):
    """Kafka takes nothing more from this sender, not even the end of its transaction."""


def partition_of(object_id: bytes, partitions: int) -> int:
    """Partition of an object's alerts: always the same one, so that they stay in order."""
    return zlib.crc32(object_id) % partitions


class Transactions:
    """Transactional producer of a stage; one that starts later with the same id shuts it out.

    Parameters
    ----------
    options
        Options of confluent-kafka; ``bootstrap.servers`` at least.
    transactional_id
        The same for every start of the stage.
    timeout_seconds
        Longest time that the cluster may be away.
    stage
        Name of the stage, for fault points and messages.
    """

    def __init__(
        self, options: Mapping[str, str], transactional_id: str, timeout_seconds: float, stage: str
    ) -> None:
        self._servers = options["bootstrap.servers"]
        self._id = transactional_id
        self._timeout_seconds = timeout_seconds
        self._transaction_seconds = timeout_seconds + _TRANSACTION_MARGIN_S
        self._stage = stage
        self._errors = ErrorCallback(self._servers)
        self._producer = Producer(self._options(options))
        self._began = 0.0

    def start(self) -> None:
        """Shut out whatever an earlier process left, and abort what it left open.

        Raises
        ------
        FatalError
            The cluster does not answer, or refuses us.
        """
        self._until(
            self._producer.init_transactions,
            self._timeout_seconds,
            "did not initialise the transactional producer",
        )

    def transact(self, send_all: Callable[[Send], None]) -> None:
        """Send messages in one transaction; when this returns, readers see them all.

        Parameters
        ----------
        send_all
            Sends every message, always the same ones: it is called again when Kafka gives the
            transaction up.

        Raises
        ------
        PublishError
            Another process took over, or the cluster stayed away too long. Either readers see
            everything or nothing; what was sent with the rest says which.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                self._send_all(send_all)
                return
            except KafkaException as error:
                self._refuse_fatal(error)
                self._abort()
                if not tries_left:
                    what = f"refused the transaction {_TRIES} times"
                    raise PublishError(self._reason(what, error)) from None
            except _SenderEnded:
                raise
            except BaseException:
                # Readers would wait for an open transaction; if Kafka is away, so be it.
                with suppress(KafkaException, FatalError):
                    self._abort()
                raise

    def _send_all(self, send_all: Callable[[Send], None]) -> None:
        self._producer.begin_transaction()
        self._began = time.monotonic()
        send_all(self._send)
        fault_point(self._stage, "before_kafka_commit")
        self._until(
            self._producer.commit_transaction,
            self._timeout_seconds,
            "did not commit the transaction",
        )
        fault_point(self._stage, "after_kafka_commit")

    def _send(self, message: OutgoingMessage) -> None:
        while True:
            try:
                self._producer.produce(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    partition=message.partition,
                    headers=list(message.headers),
                )
                break
            except BufferError:
                self._producer.poll(0.1)
                self._errors.check()
            except KafkaException as error:
                self._refuse_too_large(message, error)
                raise
        self._producer.poll(0)
        fault_point(self._stage, "mid_send")

    def _abort(self) -> None:
        self._until(
            self._producer.abort_transaction, _ABORT_SECONDS, "did not abort the transaction"
        )

    def _until(self, call: Callable[[float], None], patience_seconds: float, what: str) -> None:
        """Call again, in short steps, while the client says that trying again may help."""
        deadline = Deadline(patience_seconds)
        while True:
            try:
                return call(_STEP_SECONDS)
            except KafkaException as error:
                # Calls back with the cause; the poll itself fails once the client has given up.
                with suppress(KafkaException):
                    self._producer.poll(0)
                self._errors.check(error.args[0])
                self._refuse_fatal(error)
                if not error.args[0].retriable():
                    raise
                if deadline.has_passed:
                    within = f"{what} within {patience_seconds:g} s"
                    raise PublishError(self._reason(within, error)) from None

    def _refuse_fatal(self, error: KafkaException) -> None:
        cause: KafkaError = error.args[0]
        if cause.code() not in _FENCED:
            if cause.fatal():
                raise _SenderEnded(self._reason("ended the sender", error)) from None
            return
        seconds = time.monotonic() - self._began
        if self._began and seconds > self._transaction_seconds:
            raise _SenderEnded(
                f"Kafka at {self._servers} ended the transaction of {self._id}, which was open for "
                f"{seconds:.0f} s; nothing of it was published, the next start sends it again. If "
                "that takes as long, set distribute.delivery_timeout_seconds higher"
            ) from None
        raise _SenderEnded(
            f"another {self._stage} took over: a process elsewhere has started with the "
            f"transactional id {self._id} on Kafka at {self._servers}, and only the latest may "
            "send. This one ends; nothing is lost or sent twice. Keep one of them"
        ) from None

    def _refuse_too_large(self, message: OutgoingMessage, error: KafkaException) -> None:
        if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
            headers = dict(message.headers)
            raise PublishError(
                f"alert {headers.get('alert_id', b'?').decode()} makes a message of "
                f"{len(message.value) + len(message.key)} bytes for topic {message.topic}, more "
                f"than {MAX_MESSAGE_BYTES}; give its filter the payload `lite`, or narrow it"
            ) from None

    def _reason(self, what: str, error: KafkaException) -> str:
        return (
            f"Kafka at {self._servers} {what}: {error.args[0].str()} ({self._errors.reason}). "
            "Nothing is lost: the next start continues here. "
            "distribute.delivery_timeout_seconds says how long Kafka may be away"
        )

    def _options(self, options: Mapping[str, str]) -> dict[str, Any]:
        return {
            **options,
            "transactional.id": self._id,
            "transaction.timeout.ms": int(self._transaction_seconds * 1000),
            "message.timeout.ms": int(self._timeout_seconds * 1000),
            "compression.type": "zstd",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            # Whole batches are sent and then flushed: fewer and larger requests.
            "linger.ms": 100,
            # All that waits to be sent is held here, whatever the size of a batch.
            "queue.buffering.max.kbytes": 65_536,
            "error_cb": self._errors,
            "log_level": 0,
            "logger": _SILENT,
        }
