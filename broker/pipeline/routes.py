"""Where alerts that match a filter go: its topic, and the message of an alert."""

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
    """How the alerts that match one filter go out.

    Parameters
    ----------
    filter
        What its subscribers know about it.
    partitions
        Of its topic.
    key
        The writer schema, for messages that carry it; the others are keyed by their alert's id.
    headers
        Those that all its messages have.
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
    """Routes of a set of filters, by position, and the packets that they send.

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
        published = [self._published(item) for item in filters]
        for item in published:
            if item.topic not in known:
                partitions = settings.distribute.partitions
                cluster.create_topic(item.topic, partitions, self._topic_config())
                known[item.topic] = partitions
        self.routes = tuple(self._route(item, known[item.topic]) for item in published)

    def __getitem__(self, position: int) -> Route:
        return self.routes[position]

    def __len__(self) -> int:
        return len(self.routes)

    def _published(self, item: Filter) -> SentFilter:
        return SentFilter(
            name=item.name,
            topic=topic_of(self._settings.kafka.output_prefix, self._settings.survey, item.name),
            digest=item.digest,
            description=item.description,
            payload=item.payload,
            schema_fingerprint=self.packets.kinds[item.payload].fingerprint,
        )

    def _route(self, item: SentFilter, partitions: int) -> Route:
        headers = {
            "filter": item.name,
            "filter_digest": item.digest,
            "schema_fingerprint": item.schema_fingerprint,
        }
        is_answer = item.payload == ANSWER
        return Route(
            filter=item,
            partitions=partitions,
            key=None if is_answer else self.packets.kinds[item.payload].schema.encode(),
            headers=tuple((name, value.encode()) for name, value in headers.items()),
        )

    def _topic_config(self) -> dict[str, str]:
        return {
            # What a reader asks for by time is when Kafka took it, not when the batch began.
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(self._settings.distribute.retention_hours * _MS_PER_HOUR),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        }
