"""Topics of a cluster: which there are, what they are set to, and making those that lack."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from broker.errors import FatalError
from broker.kafka.errors import ErrorCallback

Partitions = dict[str, int]


class Topics:
    """A cluster's topics, as an administrator sees them.

    Parameters
    ----------
    options
        Options of confluent-kafka; ``bootstrap.servers`` at least.
    patience_seconds
        A cluster that does not answer is asked again for so long.
    setting
        Where its address comes from, for messages.
    """

    def __init__(
        self,
        options: Mapping[str, str],
        patience_seconds: float,
        setting: str = "kafka.output_servers",
    ) -> None:
        self._servers = options["bootstrap.servers"]
        self._is_plain = "security.protocol" not in options
        self._patience_seconds = patience_seconds
        self._setting = setting
        self._trouble = ErrorCallback(self._servers)
        all_options: dict[str, Any] = {**options, "error_cb": self._trouble, "log_level": 0}
        self._admin = AdminClient(all_options)

    def partitions(self) -> Partitions:
        """Number of partitions of every topic.

        Raises
        ------
        FatalError
            The cluster does not answer, or refuses us.
        """
        deadline = time.monotonic() + self._patience_seconds
        while time.monotonic() < deadline:
            # All topics at once, since asking for one by name may create it.
            try:
                known = self._admin.list_topics(timeout=1.0).topics
            except KafkaException:
                self._admin.poll(0)
                self._trouble.check()
                continue
            return {
                name: len(topic.partitions) for name, topic in known.items() if topic.partitions
            }
        raise FatalError(
            f"no Kafka answers at {self._servers} within {self._patience_seconds:g} s "
            f"({self._trouble.reason}); is it running, and is {self._setting} right?"
            # What a server that wants TLS says to one who comes without, is nothing.
            + (" If it wants TLS: kafka.security_protocol" if self._is_plain else "")
        )

    def make(self, name: str, partitions: int, config: Mapping[str, str]) -> None:
        """Make a topic, with as many copies as the cluster makes by default.

        Raises
        ------
        FatalError
            The cluster refuses; the message has its reason.
        """
        topic = NewTopic(
            name, num_partitions=partitions, replication_factor=-1, config=dict(config)
        )
        try:
            self._admin.create_topics([topic], request_timeout=self._patience_seconds)[
                name
            ].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise FatalError(
                    f"Kafka at {self._servers} does not make topic {name}: {error.args[0].str()}"
                ) from None
        self._wait_for(name)

    def settings(self, names: Iterable[str], key: str) -> dict[str, str]:
        """Value of one setting of each topic; those that we may not see are left out."""
        wanted = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        if not wanted:
            return {}
        answers = self._admin.describe_configs(wanted, request_timeout=self._patience_seconds)
        found = {}
        for resource, answer in answers.items():
            try:
                found[resource.name] = answer.result()[key].value
            except KafkaException:
                continue
        return found

    def _wait_for(self, name: str) -> None:
        """A new topic takes a moment until everybody knows it."""
        deadline = time.monotonic() + self._patience_seconds
        while name not in self.partitions():
            if time.monotonic() > deadline:
                raise FatalError(
                    f"Kafka at {self._servers} made topic {name}, but does not show it"
                )
            time.sleep(0.1)
