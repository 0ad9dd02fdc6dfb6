"""Compare rows of the raw table with what fastavro reads from the same packets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def differences(packet: Any, row: Any, unknown: frozenset[str] = frozenset()) -> list[str]:
    """Dotted names of fields whose values differ; fields listed as unknown are not compared."""
    return sorted(set(_different(packet, row, "", unknown)))


def _different(packet: Any, row: Any, path: str, unknown: frozenset[str]) -> Iterator[str]:
    if isinstance(packet, dict) and isinstance(row, dict):
        for name, value in packet.items():
            inner = f"{path}.{name}" if path else name
            if inner not in unknown:
                yield from _different(value, row.get(name, "no column"), inner, unknown)
        yield from (
            f"{path}.{name} is not null" for name in row.keys() - packet.keys() if row[name]
        )
    elif isinstance(packet, list) and isinstance(row, list) and len(packet) == len(row):
        for one, other in zip(packet, row, strict=True):
            yield from _different(one, other, path, unknown)
    elif not _equal(packet, row):
        yield path


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and bool(one == other)
