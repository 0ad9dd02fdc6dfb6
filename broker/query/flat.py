"""Rows for tools that know only plain columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker.strict_json import as_strict_json


def flat(rows: pa.Table) -> pa.Table:
    """Fields of structs as columns of their own: ``classifier.score`` is ``classifier_score``.

    Lists stay lists. A name of letters and underscores needs no quotes in TOPCAT, pandas or lsdb.
    """
    while any(pa.types.is_struct(field.type) for field in rows.schema):
        rows = rows.flatten()
    return rows.rename_columns([flat_name(name) for name in rows.column_names])


def flat_name(path: str) -> str:
    """Flat column's name for a path such as ``classifier.score`` or ``lightcurve[].mag``."""
    return path.replace("[]", "").replace(".", "_")


def as_text(value: Any) -> str:
    """A value in one cell: lists as JSON, images as their size, nothing where there is nothing."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, list | dict):
        return as_strict_json(value)
    return str(value)


def with_structs_of_lists(rows: pa.Table) -> pa.Table:
    """Lists of structs, such as light curves, as structs of lists of one length."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type):
            chunks = [_struct_of_lists(chunk) for chunk in rows[field.name].chunks]
            points = field.type.value_type
            kind = pa.struct([(one.name, pa.list_(one.type)) for one in points])
            rows = rows.set_column(index, field.name, pa.chunked_array(chunks, kind))
    return rows


def _struct_of_lists(lists: pa.ListArray) -> pa.StructArray:
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
    points = lists.flatten()
    columns = [
        pa.ListArray.from_arrays(offsets, pc.struct_field(points, field.name))
        for field in points.type
    ]
    return pa.StructArray.from_arrays(
        columns, [field.name for field in points.type], mask=lists.is_null()
    )
