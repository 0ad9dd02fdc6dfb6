"""Spark's DDL for types, read without Spark."""

from __future__ import annotations

import pyarrow as pa
import pytest

from broker.errors import InputError
from broker.science.engine.ddl import parse_type


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("double", pa.float64()),
        (" INT ", pa.int32()),
        ("bigint", pa.int64()),
        ("array<float>", pa.list_(pa.float32())),
        ("map<string,array<double>>", pa.map_(pa.string(), pa.list_(pa.float64()))),
        (
            "struct<a: double, b:array<int>, c: struct<d: boolean>>",
            pa.struct(
                [
                    ("a", pa.float64()),
                    ("b", pa.list_(pa.int32())),
                    ("c", pa.struct([("d", pa.bool_())])),
                ]
            ),
        ),
    ],
)
def test_types_are_those_that_spark_means(text: str, dtype: pa.DataType) -> None:
    assert parse_type(text) == dtype


@pytest.mark.parametrize(
    "text",
    ["", "decimal(3,1)", "array<double", "array<int, int>", "map<int>", "struct<a>", "int int"],
)
def test_what_is_no_type_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_type(text)
    assert repr(text) in str(refused.value)
