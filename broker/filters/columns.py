"""Columns of a frame by their full paths."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql.types import ArrayType, StructType


def column_paths(schema: StructType, prefix: str = "") -> Iterator[str]:
    """Yield every column and field by its dotted path, such as ``real_bogus.score``."""
    for field in schema:
        yield f"{prefix}{field.name}"
        dtype = field.dataType
        while isinstance(dtype, ArrayType):
            dtype = dtype.elementType
        if isinstance(dtype, StructType):
            yield from column_paths(dtype, f"{prefix}{field.name}.")
