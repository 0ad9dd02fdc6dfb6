"""librdkafka's error callback: remember the last error; raise those that waiting cannot fix."""

from __future__ import annotations

from confluent_kafka import KafkaError

from broker.errors import FatalError

# Codes below 0 are librdkafka's own; confluent-kafka gives them names with an underscore only.
_HOPELESS = {
    KafkaError._AUTHENTICATION: "the user or password is wrong",
    KafkaError._SSL: "TLS does not work",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not use the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user may not use the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not do that on the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "this user may not use the transactional id",
}


class ErrorCallback:
    """A client's ``error_cb``: keeps the last error, since clients themselves retry for ever.

    Parameters
    ----------
    servers
        Address of the cluster, for messages.
    """

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Take an error."""
        self._last = error

    @property
    def has_error(self) -> bool:
        """Whether an error has come since the last `forget`."""
        return self._last is not None

    @property
    def reason(self) -> str:
        """The last error, or that there was no answer at all."""
        return self._last.str() if self._last is not None else "no answer"

    def forget(self) -> None:
        """Forget the last error: the cluster has answered since."""
        self._last = None

    def check(self, error: KafkaError | None = None) -> None:
        """Raise an error that waiting cannot fix.

        Parameters
        ----------
        error
            One to look at before the last one that was taken.

        Raises
        ------
        FatalError
            Only the operator can fix it.
        """
        for found in (error, self._last):
            if found is not None and found.code() in _HOPELESS:
                raise FatalError(
                    f"Kafka at {self._servers}: {_HOPELESS[found.code()]} ({found.str()}); "
                    "see section [kafka] of the settings"
                )
