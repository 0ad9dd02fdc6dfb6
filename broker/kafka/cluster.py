"""Kafka cluster as an administrator sees it: topics, partitions, offsets, configs, new topics."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Set
from typing import Any

import confluent_kafka
from confluent_kafka import IsolationLevel, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from broker.deadline import Deadline
from broker.errors import FatalError, UsageError
from broker.kafka.errors import ErrorCallback
from broker.kafka.positions import TopicPartition, Watermarks

_STEP_SECONDS = 1.0
_NEW_TOPIC_STEP_SECONDS = 0.1
_IMPOSSIBLE = (KafkaError.TOPIC_EXCEPTION, KafkaError.INVALID_PARTITIONS)


class KafkaCluster:
    """One Kafka cluster.

    Parameters
    ----------
    options
        Options of confluent-kafka; ``bootstrap.servers`` at least.
    patience_seconds
        Longest wait for an answer; until then a cluster that is silent is asked again. Errors
        that waiting cannot fix end it at once.
    setting
        What gives its address, for messages.
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
        self._errors = ErrorCallback(self._servers)
        all_options: dict[str, Any] = {**options, "error_cb": self._errors, "log_level": 0}
        self._admin = AdminClient(all_options)

    def topics(self) -> dict[str, int]:
        """Number of partitions of every topic that we may see.

        Raises
        ------
        FatalError
            The cluster does not answer, or refuses us.
        """
        return {name: len(numbers) for name, numbers in self._partition_numbers().items()}

    def partitions(self) -> set[TopicPartition]:
        """All partitions of all topics that we may see.

        Raises
        ------
        FatalError
            As `topics`.
        """
        return {
            TopicPartition(name, number)
            for name, numbers in self._partition_numbers().items()
            for number in numbers
        }

    def answers(self) -> bool:
        """Whether the cluster lists its topics within our patience."""
        try:
            self._partition_numbers()
        except FatalError:
            return False
        return True

    def watermarks(
        self,
        partitions: Set[TopicPartition],
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[TopicPartition, Watermarks]:
        """Watermarks of those of the partitions that exist.

        Parameters
        ----------
        isolation
            ``READ_COMMITTED``: the high one ends where the first open transaction begins.

        Raises
        ------
        FatalError
            The cluster does not answer, or refuses us.
        """
        existing = partitions & self.partitions()
        low = self._offsets(existing, OffsetSpec.earliest(), isolation)  # type: ignore[no-untyped-call]
        high = self._offsets(existing, OffsetSpec.latest(), isolation)  # type: ignore[no-untyped-call]
        return {at: Watermarks(low[at], high[at]) for at in low.keys() & high.keys()}

    def configs(self, topics: Iterable[str], key: str) -> dict[str, str]:
        """Value of one config of each topic; topics whose configs we may not see are left out."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics]
        if not resources:
            return {}
        answers = self._admin.describe_configs(resources, request_timeout=self._patience_seconds)
        found = {}
        for resource, answer in answers.items():
            try:
                found[resource.name] = answer.result()[key].value
            except KafkaException:
                continue
        return found

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str]) -> None:
        """Create a topic, unless it exists, with the cluster's default number of replicas.

        Raises
        ------
        UsageError
            No topic can have this name or number of partitions.
        FatalError
            The cluster refuses; the message has its reason.
        """
        topic = NewTopic(
            name, num_partitions=partitions, replication_factor=-1, config=dict(config)
        )
        answers = self._admin.create_topics([topic], request_timeout=self._patience_seconds)
        try:
            answers[name].result()
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raised = UsageError if reason.code() in _IMPOSSIBLE else FatalError
                raise raised(
                    f"Kafka at {self._servers} does not create topic {name!r}: {reason.str()}"
                ) from None
        self._wait_for(name)

    def _wait_for(self, name: str) -> None:
        """A new topic takes a moment until every broker knows it."""
        deadline = Deadline(self._patience_seconds)
        while name not in self._partition_numbers():
            if deadline.has_passed:
                raise FatalError(
                    f"Kafka at {self._servers} created topic {name} but does not list it within "
                    f"{self._patience_seconds:g} s; start again"
                )
            time.sleep(_NEW_TOPIC_STEP_SECONDS)

    def _partition_numbers(self) -> dict[str, list[int]]:
        """Partitions of every topic; asked again until the cluster answers."""
        deadline = Deadline(self._patience_seconds)
        while not deadline.has_passed:
            try:
                # All topics at once, since asking for one by name may create it.
                known = self._admin.list_topics(timeout=_STEP_SECONDS)
            except KafkaException:
                self._admin.poll(0)  # serves the error callback, which knows why
                self._errors.check()
                continue
            if known.brokers:
                found = {name: sorted(topic.partitions) for name, topic in known.topics.items()}
                return {name: numbers for name, numbers in found.items() if numbers}
            time.sleep(_NEW_TOPIC_STEP_SECONDS)
        raise FatalError(
            f"no Kafka answers at {self._servers} within {self._patience_seconds:g} s "
            f"({self._errors.reason}); is it running, and is {self._setting} right?"
            # A server that expects TLS says nothing to a client without it.
            + (" If it needs TLS: kafka.security_protocol" if self._is_plain else "")
        )

    def _offsets(
        self, partitions: Set[TopicPartition], spec: OffsetSpec, isolation: IsolationLevel
    ) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        answers = self._admin.list_offsets(
            {confluent_kafka.TopicPartition(*at): spec for at in partitions},
            isolation_level=isolation,
            request_timeout=self._patience_seconds,
        )
        found = {}
        for at, answer in answers.items():
            try:
                found[TopicPartition(at.topic, at.partition)] = int(answer.result().offset)
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue  # deleted meanwhile
                self._errors.check(reason)
                raise FatalError(
                    f"Kafka at {self._servers} does not give the offsets of topic {at.topic}, "
                    f"partition {at.partition}: {reason.str()}; start again when it does"
                ) from None
        return found
