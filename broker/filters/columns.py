"""Paths of the science columns, and the nearest one to a misspelt path."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

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


def nearest_path(path: str, known: Sequence[str]) -> str | None:
    """Known path most like this one: of that name elsewhere, else of like spelling."""
    last = path.rpartition(".")[2].lower()
    same = [k for k in known if k.rpartition(".")[2].lower() == last]
    close = difflib.get_close_matches(path, same or known, n=1, cutoff=0.0 if same else 0.5)
    if close:
        return close[0]
    by_last = {k.rpartition(".")[2]: k for k in reversed(known)}
    found = difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.6)
    return by_last[found[0]] if found else None
