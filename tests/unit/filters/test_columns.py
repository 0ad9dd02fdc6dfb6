"""Paths of a frame's columns, fields of structs and lists included."""

from __future__ import annotations

from pyspark.sql.types import ArrayType, DoubleType, StructField, StructType

from broker.filters.columns import column_paths

POINT = StructType([StructField("mjd", DoubleType())])
SCHEMA = StructType(
    [
        StructField("mag", DoubleType()),
        StructField("mjd", DoubleType()),
        StructField("lightcurve", ArrayType(POINT)),
        StructField("real_bogus", StructType([StructField("score", DoubleType())])),
        StructField("candidate", StructType([StructField("drb", DoubleType())])),
    ]
)


def test_every_column_and_field_has_a_path() -> None:
    assert list(column_paths(SCHEMA)) == [
        *("mag", "mjd", "lightcurve", "lightcurve.mjd"),
        *("real_bogus", "real_bogus.score", "candidate", "candidate.drb"),
    ]
