"""Routes: topic, key and headers of the messages that each filter sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql.types import StructType

from broker.filters import Filter
from broker.kafka.cluster import KafkaCluster
from broker.kafka.topic_names import topic_of
from broker.pipeline.outgoing import ANSWER, Packets
from broker.settings import Settings
from broker.sinks.marker_topic import SentFilter
from broker.sinks.transactions import MAX_MESSAGE_BYTES, OutgoingMessage, partition_of
from broker.surveys import get_survey

_MS_PER_HOUR = 3_600_000


@dataclass(frozen=True)
class Route:
    """Topic and message format of the alerts that one filter selects.

    Parameters
    ----------
    filter
        Its description for subscribers.
    partitions
        Number of partitions of its topic.
    key
        Writer schema of messages that carry it; None keys a message by its alert's id.
    headers
        Headers of all its messages.
    """

    filter: SentFilter
    partitions: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def message(self, row: Mapping[str, Any]) -> OutgoingMessage:
        """Message of a row of `Packets.rows`."""
        alert_id, object_id = str(row["alert_id"]).encode(), row["object_id"].encode()
        return OutgoingMessage(
            topic=self.filter.topic,
            partition=partition_of(object_id, self.partitions),
            key=self.key or alert_id,
            value=row[self.filter.payload],
            headers=(("alert_id", alert_id), ("object_id", object_id), *self.headers),
        )


class Routes:
    """Routes of a set of filters, by index, and the packets that they send.

    Parameters
    ----------
    settings
        Of one survey.
    science
        Columns of the science table.
    cluster
        The output cluster; topics that it does not have yet are created.
    filters
        In the order in which an evaluation counts them.

    Raises
    ------
    FatalError
        A topic cannot be created.
    """

    def __init__(
        self,
        settings: Settings,
        science: StructType,
        cluster: KafkaCluster,
        filters: Sequence[Filter],
    ) -> None:
        self._settings = settings
        self.packets = Packets(get_survey(settings.survey), science, filters)
        known = cluster.topics()
        described = [self._describe(item) for item in filters]
        for item in described:
            if item.topic not in known:
                partitions = settings.distribute.partitions
                cluster.create_topic(item.topic, partitions, self._topic_config())
                known[item.topic] = partitions
        self.routes = tuple(self._route(item, known[item.topic]) for item in described)

    def __getitem__(self, index: int) -> Route:
        return self.routes[index]

    def __len__(self) -> int:
        return len(self.routes)

    def _describe(self, item: Filter) -> SentFilter:
        return SentFilter(
            name=item.name,
            topic=topic_of(self._settings.kafka.output_prefix, self._settings.survey, item.name),
            digest=item.digest,
            description=item.description,
            payload=item.payload,
            schema_fingerprint=self.packets.formats[item.payload].fingerprint,
        )

    def _route(self, item: SentFilter, partitions: int) -> Route:
        is_answer = item.payload == ANSWER
        return Route(
            filter=item,
            partitions=partitions,
            key=None if is_answer else self.packets.formats[item.payload].schema.encode(),
            headers=filter_headers(item),
        )

    def _topic_config(self) -> dict[str, str]:
        return {
            # Readers ask by the time at which Kafka stored a message, not at which the batch began.
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(self._settings.distribute.retention_hours * _MS_PER_HOUR),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        }


def filter_headers(item: SentFilter) -> tuple[tuple[str, bytes], ...]:
    """Headers that all messages of a filter have."""
    headers = {
        "filter": item.name,
        "filter_digest": item.digest,
        "schema_fingerprint": item.schema_fingerprint,
    }
    return tuple((name, value.encode()) for name, value in headers.items())
