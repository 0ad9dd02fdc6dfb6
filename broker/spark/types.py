"""Declared Arrow types as Spark types and back, units and meanings included."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

_SPARK_TYPES: dict[pa.DataType, DataType] = {
    pa.bool_(): BooleanType(),
    pa.int32(): IntegerType(),
    pa.int64(): LongType(),
    pa.float32(): FloatType(),
    pa.float64(): DoubleType(),
    pa.string(): StringType(),
    pa.binary(): BinaryType(),
    pa.timestamp("us", tz="UTC"): TimestampType(),
}


def to_spark_schema(fields: Iterable[pa.Field], described: bool = True) -> StructType:
    """Spark struct of declared fields, all nullable.

    Parameters
    ----------
    described
        With units and meanings. Spark refuses them on what comes back from Python.
    """
    return StructType([_to_field(field, described) for field in fields])


def to_arrow_schema(schema: StructType) -> pa.Schema:
    """Arrow schema of a frame, without metadata."""
    return pa.schema([pa.field(f.name, to_arrow_type(f.dataType), f.nullable) for f in schema])


def _to_field(field: pa.Field, described: bool) -> StructField:
    metadata = field.metadata if described else None
    return StructField(
        field.name,
        _to_spark(field.type, described),
        metadata={key.decode(): value.decode() for key, value in (metadata or {}).items()},
    )


def _to_spark(dtype: pa.DataType, described: bool) -> DataType:
    if pa.types.is_struct(dtype):
        return to_spark_schema(list(dtype), described)
    if pa.types.is_list(dtype):
        return ArrayType(_to_spark(dtype.value_type, described))
    return _SPARK_TYPES[dtype]
