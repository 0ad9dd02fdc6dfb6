"""Rows of the quarantine: what was refused, why, and what a packet looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from broker.errors import UsageError
from broker.kafka.positions import KafkaPosition
from broker.tables.layout import AREAS
from broker.tables.ledger import Ledger
from broker.tables.quarantine_schema import QUARANTINE_SCHEMA
from broker.tables.stages import REPLAY
from broker.tables.storage import Storage

SHOWN = ("night", "reason", "stage", *KafkaPosition._fields, "alert_id", "detail")


class Quarantine:
    """Refused packets of one survey.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def packets(self, reason: str | None = None, night: int | None = None) -> pa.Table:
        """Refused packets without their bytes, by Kafka position.

        Returns
        -------
        pa.Table
            The columns of `SHOWN` and ``replayed``, true for packets that a replay brought back.
        """
        chosen = None
        for name, value in (("reason", reason), ("night", night)):
            if value is not None:
                condition = pc.field(name) == value
                chosen = condition if chosen is None else chosen & condition
        by_position = [(name, "ascending") for name in KafkaPosition._fields]
        table = quarantined_columns(self._storage, SHOWN, chosen).sort_by(by_position)
        replayed = self._replayed()
        positions = table.select(KafkaPosition._fields).to_pylist()
        are_replayed = [KafkaPosition(**position) in replayed for position in positions]
        return table.append_column("replayed", pa.array(are_replayed, pa.bool_()))

    def packet(self, topic: str, partition: int, offset: int) -> dict[str, Any]:
        """One refused packet with its bytes.

        Raises
        ------
        UsageError
            No packet of that position is in quarantine.
        """
        is_it = (
            (pc.field("topic") == topic)
            & (pc.field("partition") == partition)
            & (pc.field("offset") == offset)
        )
        found = quarantined_columns(self._storage, [*SHOWN, "kafka_timestamp", "value"], is_it)
        rows: list[dict[str, Any]] = found.to_pylist()
        if not rows:
            raise UsageError(
                f"no packet of topic {topic}, partition {partition}, offset {offset} is in "
                "quarantine; `nightjar quarantine list` shows which are"
            )
        return rows[0]

    def _replayed(self) -> set[KafkaPosition]:
        rows = Ledger(self._storage).rows(REPLAY)
        return {position for row in rows for position in row.positions()}


def quarantined_columns(
    storage: Storage, columns: Sequence[str], where: pc.Expression | None = None
) -> pa.Table:
    """Columns of refused packets, ``batch`` among them if asked for; all, or those that match."""
    schema = QUARANTINE_SCHEMA.append(pa.field("batch", pa.string()))
    area = AREAS["quarantine"]
    if not storage.names(area):
        return schema.empty_table().select([*columns])
    in_path = pa.schema([("night", pa.int32()), ("batch", pa.string())])
    packets = ds.dataset(
        storage.path(area),
        schema=schema,
        filesystem=storage.filesystem,
        format="parquet",
        partitioning=ds.partitioning(in_path, flavor="hive"),
    )
    return packets.to_table(columns=[*columns], filter=where)
