"""Declaration of columns: name, Arrow type, unit and meaning."""

from __future__ import annotations

import pyarrow as pa


def column(name: str, dtype: pa.DataType, unit: str, meaning: str) -> pa.Field:
    """Column, or field of a struct, whose unit and meaning travel as metadata.

    Parameters
    ----------
    unit
        ``""`` for pure numbers, names and structs.
    """
    return pa.field(name, dtype, metadata={"unit": unit, "meaning": meaning})
