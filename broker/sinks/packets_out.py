"""Packets that go out, encoded in the executors with a schema derived from the rows' own types.

Defaults and documentation are left out: the schema travels as the key of
every message, and whoever reads with the writer's own schema needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.avro.functions import to_avro
from pyspark.sql.types import StructType

from broker.packets.schemas import fingerprint, parse_schema_text
from broker.packets.types import avro_record
from broker.spark.types import to_arrow_schema

VERSION = "1.0"
"""Of the packets' make-up; which columns a science row has is in the schema itself."""


@dataclass(frozen=True)
class PacketKind:
    """One make-up of packets: its columns and its schema.

    Parameters
    ----------
    columns
        The packet's top-level fields, in order.
    schema
        Writer schema as compact JSON.
    """

    columns: Sequence[Column]
    schema: str

    @property
    def fingerprint(self) -> str:
        """Short identity of the schema."""
        return fingerprint(parse_schema_text(self.schema.encode()))

    def encoded(self) -> Column:
        """The packet as a bare Avro datum."""
        return to_avro(F.struct(*self.columns), self.schema)


def packet_schema(fields: StructType, survey: str) -> str:
    """Writer schema of packets with these fields, as compact JSON.

    Parameters
    ----------
    fields
        Type of the struct that is encoded.
    survey
        Whose alerts they are: the schema is called ``nightjar.<survey>.alert``.
    """
    record = avro_record(to_arrow_schema(fields), "alert")
    record |= {"namespace": f"nightjar.{survey}", "version": VERSION}
    return json.dumps(record, separators=(",", ":"))
