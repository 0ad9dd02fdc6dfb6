"""A site that the previous version left in mid-operation: its root and its topics.

``tests/fixtures/version_0_1/README.md`` describes what it holds and how it was made.
"""

from __future__ import annotations

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

FIXTURE = Path(__file__).resolve().parent / "fixtures" / "version_0_1"
_TIME_TYPE = "message.timestamp.type"
# The messages are as old as the fixture, whatever the clock says.
_KEPT_FOR_EVER = {
    "retention.ms": "-1",
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "message.timestamp.after.max.ms": str(2**63 - 1),
}


def expected() -> Any:
    """Counts by the previous version: ``now``, of the fixture; ``later``, when it had gone on."""
    return json.loads((FIXTURE / "expected.json").read_text())


def names() -> Any:
    """Names on disk and on the wire in the previous version."""
    return json.loads((FIXTURE / "names.json").read_text())


def leaves(fields: pa.Schema | pa.StructType, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name and type of every column that has no fields of its own; ``[]`` marks lists."""
    for field in fields:
        name, dtype = prefix + field.name, field.type
        if pa.types.is_list(dtype):
            name, dtype = f"{name}[]", dtype.value_type
        if pa.types.is_struct(dtype):
            yield from leaves(dtype, f"{name}.")
        else:
            yield name, str(dtype)


def unpack_root(folder: Path) -> None:
    """Write ``root/`` and ``filters/`` into a folder; files keep their times of modification."""
    with tarfile.open(FIXTURE / "root.tar.xz") as archive:
        archive.extractall(folder, filter="data")


def messages() -> list[dict[str, Any]]:
    """All messages in the order of topic, partition and offset."""
    rows: list[dict[str, Any]] = pq.read_table(FIXTURE / "messages.parquet").to_pylist()
    return rows


def read_by_group(group: str, topic: str) -> list[int]:
    """Ids of a topic's alerts that a group had read."""
    kept = json.loads((FIXTURE / "topics.json").read_text())["groups"][group]
    reached = {at["partition"]: at["offset"] for at in kept if at["topic"] == topic}
    return [
        int(next(header["value"] for header in row["headers"] if header["name"] == "alert_id"))
        for row in messages()
        if row["topic"] == topic and row["offset"] < reached.get(row["partition"], 0)
    ]


def restore_topics(options: Mapping[str, str]) -> None:
    """Make the topics in a Kafka that lacks them, with their messages and groups' positions.

    Input messages get the offsets that they had. Output topics lose the offsets that transactions
    took; a group's position is moved accordingly.
    """
    kept = json.loads((FIXTURE / "topics.json").read_text())
    admin = AdminClient(dict(options))
    made = admin.create_topics(
        [
            NewTopic(name, topic["partitions"], 1, config=_while_restored(topic["config"]))
            for name, topic in kept["topics"].items()
        ]
    )
    for future in made.values():
        future.result(30)
    offsets = _send(options)
    for name, topic in kept["topics"].items():
        if time_type := topic["config"].get(_TIME_TYPE):
            _set(admin, name, _TIME_TYPE, time_type)
    for group, positions in kept["groups"].items():
        _commit(options, group, positions, offsets)


def _while_restored(config: Mapping[str, str]) -> dict[str, str]:
    # Kafka would replace the messages' times by its own.
    own = {key: value for key, value in config.items() if key != _TIME_TYPE}
    return own | _KEPT_FOR_EVER


def _send(options: Mapping[str, str]) -> dict[tuple[str, int], list[int]]:
    """Send all messages; the previous offsets by partition, in order."""
    producer = Producer(
        {**options, "enable.idempotence": True, "message.max.bytes": 10_000_000, "linger.ms": 50}
    )
    offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row in messages():
        producer.produce(
            row["topic"],
            row["value"],
            row["key"],
            row["partition"],
            timestamp=row["timestamp_ms"],
            headers=[(header["name"], header["value"]) for header in row["headers"]],
        )
        producer.poll(0)
        offsets[row["topic"], row["partition"]].append(row["offset"])
    assert producer.flush(60) == 0
    return offsets


def _set(admin: AdminClient, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


def _commit(
    options: Mapping[str, str],
    group: str,
    positions: list[dict[str, Any]],
    offsets: Mapping[tuple[str, int], list[int]],
) -> None:
    moved = []
    for at in positions:
        before = offsets.get((at["topic"], at["partition"]), [])
        number = sum(offset < at["offset"] for offset in before)
        moved.append(TopicPartition(at["topic"], at["partition"], number))
    consumer = Consumer({**options, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=moved, asynchronous=False)
    consumer.close()
