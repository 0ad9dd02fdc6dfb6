"""Columns of a frame by their full paths."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql.types import ArrayType, StructType


def column_paths(schema: StructType, prefix: str = "") -> Iterator[str]:
    """Yield every column and field by its dotted path, such as ``real_bogus.score``."""
    for field in schema:
        yield f"{prefix}{field.name}"
        kind = field.dataType
        while isinstance(kind, ArrayType):
            kind = kind.elementType
        if isinstance(kind, StructType):
            yield from column_paths(kind, f"{prefix}{field.name}.")
