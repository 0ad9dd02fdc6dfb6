"""What a Kafka client reports outside of any call, and which of it no waiting mends."""

from __future__ import annotations

from confluent_kafka import KafkaError

from broker.errors import FatalError

_HOPELESS = {
    KafkaError._AUTHENTICATION: "the user or password is wrong",
    KafkaError._SSL: "TLS does not work",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not use the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user may not use the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not do that on the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "this user may not use the transactional id",
}


class ErrorCallback:
    """A client's ``error_cb`` that remembers the last error; clients themselves try for ever.

    Parameters
    ----------
    servers
        Address of the cluster, for messages.
    """

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Take a report."""
        self._last = error

    @property
    def reason(self) -> str:
        """The last report, or what silence means."""
        return self._last.str() if self._last is not None else "no answer"

    def check(self, error: KafkaError | None = None) -> None:
        """Give up where waiting does not help.

        Raises
        ------
        FatalError
            ``error``, or else the last report, is one that only the operator can mend.
        """
        for found in (error, self._last):
            if found is not None and found.code() in _HOPELESS:
                raise FatalError(
                    f"Kafka at {self._servers}: {_HOPELESS[found.code()]} ({found.str()}); "
                    "see section [kafka] of the settings"
                )
