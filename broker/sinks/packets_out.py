"""Outgoing packet formats: Avro schemas derived from Spark types, encoded in the executors.

The schemas have neither defaults nor documentation: they are the key of every message, and a
reader that uses the writer's own schema needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.avro.functions import to_avro
from pyspark.sql.types import StructType

from broker.packets.avro_to_arrow import avro_record
from broker.packets.schemas import fingerprint, parse_schema_text
from broker.spark.types import to_arrow_schema

VERSION = "1.0"
"""Version of the packets' format; the columns of a science row are in the schema itself."""


@dataclass(frozen=True)
class PacketFormat:
    """Format of packets: columns and Avro schema.

    Parameters
    ----------
    columns
        Top-level fields of a packet, in order.
    schema
        Writer schema as compact JSON.
    """

    columns: Sequence[Column]
    schema: str

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the schema."""
        return fingerprint(parse_schema_text(self.schema.encode()))

    def encoded(self) -> Column:
        """Column of packets as bare Avro data."""
        return to_avro(F.struct(*self.columns), self.schema)


def packet_schema(fields: StructType, survey: str) -> str:
    """Derive the writer schema of packets with these fields, as compact JSON.

    Parameters
    ----------
    fields
        Type of the struct that is encoded.
    survey
        Survey of the alerts: the schema is called ``nightjar.<survey>.alert``.
    """
    record = avro_record(to_arrow_schema(fields), "alert")
    record |= {"namespace": f"nightjar.{survey}", "version": VERSION}
    return json.dumps(record, separators=(",", ":"))
