"""Fields of decoded packets as the columns that a pass reads, without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from broker.packets.fields import value_at
from broker.surveys import Survey
from broker.surveys.arrow_columns import follow
from broker.tables.science_schema import ROW_COLUMNS, packet_fields

Record = Mapping[str, Any]


def packet_arrays(
    records: Sequence[Record], paths: Sequence[str], survey: Survey
) -> dict[str, pa.Array]:
    """Path → array of shape (n_records,), typed as in the raw table.

    Parameters
    ----------
    records
        Packets as Python records.
    paths
        `SciencePass.paths`.
    """
    tops = [path.partition(".")[0] for path in paths]
    columns = {
        field.name: pa.array([record.get(field.name) for record in records], field.type)
        for field in packet_fields(survey, dict.fromkeys(t for t in tops if t not in ROW_COLUMNS))
    }
    ids = [value_at(record, survey.packet.alert_id) for record in records]
    columns["alert_id"] = pa.array(ids, ROW_COLUMNS["alert_id"])
    objects = [_object_id(record, survey) for record in records]
    columns["object_id"] = pa.array(objects, ROW_COLUMNS["object_id"])
    return {
        path: follow(columns[top], path.split(".")[1:])
        for path, top in zip(paths, tops, strict=True)
    }


def _object_id(record: Record, survey: Survey) -> str | None:
    found = (value_at(record, path) for path in survey.packet.object_id)
    return next((str(value) for value in found if value), None)
