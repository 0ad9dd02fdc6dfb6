"""The nearest column is the one of the same name elsewhere, or of like spelling."""

from __future__ import annotations

import pytest
from pyspark.sql.types import ArrayType, DoubleType, StructField, StructType

from broker.filters.columns import column_paths, nearest_path

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
PATHS = list(column_paths(SCHEMA))


def test_every_column_and_field_has_a_path() -> None:
    assert list(column_paths(SCHEMA)) == [
        *("mag", "mjd", "lightcurve", "lightcurve.mjd"),
        *("real_bogus", "real_bogus.score", "candidate", "candidate.drb"),
    ]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("drb", "candidate.drb"),
        ("candidate.dbr", "candidate.drb"),
        ("candidat.drb", "candidate.drb"),
        ("scor", "real_bogus.score"),
        ("magg", "mag"),
        ("MJD", "mjd"),
        ("qqqqqqq", None),
    ],
)
def test_the_nearest_column_is_found(path: str, near: str | None) -> None:
    assert nearest_path(path, PATHS) == near
