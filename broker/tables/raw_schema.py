"""Schema of the raw table: the packet under its own names, and what ingest adds."""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from broker.packets.schemas import load_schema
from broker.surveys import Survey
from broker.tables.declaration import ARRIVAL, INSTANT, column
from broker.tables.science_schema import packet_fields

RAW_INGEST = pa.struct(
    [
        *ARRIVAL,
        column("schema_key", pa.string(), "", "which schema the packet was written with"),
        column("batch_time", INSTANT, "UTC", "time of the batch that decoded it"),
        column("unknown_fields", pa.list_(pa.string()), "", "fields that have no column here"),
        column("packet", pa.binary(), "", "the packet itself, if it has such fields"),
    ]
)
RAW_COLUMNS = (
    column("alert_id", pa.int64(), "", "unique per alert; duplicates of an alert are kept"),
    column("object_id", pa.string(), "", "shared by all alerts of an object"),
    column("healpix29", pa.int64(), "", "HEALPix cell of order 29, NESTED"),
    column("ingest", RAW_INGEST, "", "where the packet came from"),
    column("night", pa.int32(), "YYYYMMDD", "date of UTC minus the survey's offset"),
)
"""Columns that every survey's raw table has after those of the packet."""


@cache  # checked against every batch
def raw_schema(survey: Survey) -> pa.Schema:
    """All columns of a survey's raw table, in order; ``batch`` is in the folder's name."""
    names = [field["name"] for field in load_schema(survey.schema_folder)["fields"]]
    return pa.schema([*packet_fields(survey, names), *RAW_COLUMNS])
