"""Declaration of columns: name, Arrow type, unit and meaning; check of rows against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from broker.errors import PublishError

INSTANT = pa.timestamp("us", tz="UTC")


def column(name: str, dtype: pa.DataType, unit: str, meaning: str) -> pa.Field:
    """Column, or field of a struct, whose unit and meaning travel as metadata.

    Parameters
    ----------
    unit
        ``""`` for pure numbers, names and structs.
    """
    return pa.field(name, dtype, metadata={"unit": unit, "meaning": meaning})


POSITION_COLUMNS = (
    column("topic", pa.string(), "", "Kafka topic that the packet came in"),
    column("partition", pa.int32(), "", "its partition"),
    column("offset", pa.int64(), "", "its offset"),
)
"""A packet's `KafkaPosition`."""
ARRIVAL = (
    *POSITION_COLUMNS,
    column("kafka_timestamp", INSTANT, "UTC", "when Kafka took it"),
)
"""A packet's position in Kafka and its time there, in every table of packets and alerts."""


def undescribed(fields: Iterable[pa.Field]) -> pa.Schema:
    """Schema of the same names and types, without units and meanings."""
    return pa.schema([pa.field(field.name, _bare(field.type)) for field in fields])


def differences(found: pa.Schema, declared: pa.Schema) -> list[str]:
    """Fields that a table has too many, too few or of another type, one line each."""
    is_, should_be = dict(_leaves(list(found))), dict(_leaves(list(declared)))
    missing = [f"{name}: missing" for name in should_be if name not in is_]
    odd = [f"{name}: not declared" for name in is_ if name not in should_be]
    changed = [
        f"{name}: {is_[name]}, declared {dtype}"
        for name, dtype in should_be.items()
        if name in is_ and is_[name] != dtype
    ]
    return [*missing, *odd, *changed]


def check_schema(found: pa.Schema, declared: pa.Schema, table: str) -> None:
    """Refuse to write rows that are not as declared.

    Raises
    ------
    PublishError
        Names every field that differs.
    """
    lines = differences(found, declared)
    if lines:
        raise PublishError(f"the {table} rows are not as declared:\n  " + "\n  ".join(lines))


def _leaves(fields: list[pa.Field], prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in fields:
        path, dtype = f"{prefix}{field.name}", field.type
        while pa.types.is_list(dtype):
            path, dtype = f"{path}[]", dtype.value_type
        if pa.types.is_struct(dtype):
            yield path, "struct"
            yield from _leaves(list(dtype), f"{path}.")
        else:
            yield path, str(dtype)


def _bare(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_list(dtype):
        return pa.list_(_bare(dtype.value_type))
    return pa.struct(list(undescribed(dtype))) if pa.types.is_struct(dtype) else dtype
