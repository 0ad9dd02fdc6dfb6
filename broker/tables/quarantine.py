"""The quarantine, read: what was refused, why, and what a packet looks like."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from broker.errors import UsageError
from broker.tables.layout import AREAS
from broker.tables.ledger import Ledger
from broker.tables.storage import Storage

SHOWN = ("night", "reason", "stage", "topic", "partition", "offset", "alert_id", "detail")


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
                condition = ds.field(name) == value
                chosen = condition if chosen is None else chosen & condition
        table = self._read([*SHOWN], chosen).sort_by(
            [("topic", "ascending"), ("partition", "ascending"), ("offset", "ascending")]
        )
        replayed = self._replayed()
        positions = zip(
            *(table[name].to_pylist() for name in ("topic", "partition", "offset")), strict=True
        )
        return table.append_column("replayed", pa.array([p in replayed for p in positions]))

    def packet(self, topic: str, partition: int, offset: int) -> dict[str, Any]:
        """One refused packet with its bytes.

        Raises
        ------
        UsageError
            No packet of that position is in quarantine.
        """
        place = (
            (ds.field("topic") == topic)
            & (ds.field("partition") == partition)
            & (ds.field("offset") == offset)
        )
        rows: list[dict[str, Any]] = self._read(
            [*SHOWN, "kafka_timestamp", "value"], place
        ).to_pylist()
        if not rows:
            raise UsageError(
                f"no packet of topic {topic}, partition {partition}, offset {offset} is in "
                "quarantine; `nightjar quarantine list` shows which are"
            )
        return rows[0]

    def _replayed(self) -> set[tuple[str, int, int]]:
        return {
            (span.topic, span.partition, offset)
            for row in Ledger(self._storage).rows("replay")
            for span in row.offsets
            for offset in range(span.start, span.until)
        }

    def _read(self, columns: list[str], chosen: Any) -> pa.Table:
        if not self._storage.names(AREAS["quarantine"]):
            return pa.table({name: pa.array([], pa.string()) for name in columns})
        partitions = ds.partitioning(
            pa.schema([("night", pa.int32()), ("batch", pa.string())]), flavor="hive"
        )
        dataset = ds.dataset(
            self._storage.path(AREAS["quarantine"]),
            filesystem=self._storage.filesystem,
            format="parquet",
            partitioning=partitions,
        )
        return dataset.to_table(columns=columns, filter=chosen)
