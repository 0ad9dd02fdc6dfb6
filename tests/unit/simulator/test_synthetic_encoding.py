"""Avro by column equals Avro by fastavro."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker.simulator.synthetic.encoding import (
    ColumnEncoder,
    optional_array,
    optional_record,
    text,
    varint,
    varints,
)

LONGS = st.integers(-(2**63), 2**63 - 1)
ROW = fastavro.parse_schema(
    {
        "type": "record",
        "name": "row",
        "fields": [
            {"name": "jd", "type": "double"},
            {"name": "missing", "type": ["null", "float"], "default": None},
            {"name": "mag", "type": ["null", "float"]},
            {"name": "candid", "type": ["null", "long"]},
            {"name": "fid", "type": "int"},
            {"name": "name", "type": ["null", "string"]},
            {"name": "last", "type": ["null", "double"]},
        ],
    }
)


def written(schema: Any, value: object) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, value)
    return buffer.getvalue()


@given(LONGS)
def test_one_integer_is_written_as_fastavro_writes_it(value: int) -> None:
    assert varint(value) == written("long", value)


@given(st.lists(LONGS, min_size=1, max_size=20))
def test_a_column_of_integers_is_written_as_fastavro_writes_each(values: list[int]) -> None:
    assert varints(np.array(values)) == [written("long", value) for value in values]


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False),
            st.floats(width=32, allow_nan=False),
            LONGS,
            st.integers(-(2**31), 2**31 - 1),
            st.text(max_size=90),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_rows_with_nulls_and_strings_are_written_as_fastavro_writes_them(
    rows: list[tuple[float, float, int, int, str]],
) -> None:
    jd, mag, candid, fid, name = zip(*rows, strict=True)
    columns = {
        "jd": np.array(jd),
        "mag": np.array(mag),
        "candid": np.array(candid),
        "fid": np.array(fid),
        "name": list(name),
        "last": np.array(jd),
    }
    expected = [
        written(ROW, {key: values[index] for key, values in columns.items()})
        for index in range(len(rows))
    ]
    assert ColumnEncoder(ROW).encode(columns, len(rows)) == expected


def test_an_empty_history_is_null_and_others_are_one_block() -> None:
    schema = fastavro.parse_schema(["null", {"type": "array", "items": "string"}])
    assert optional_array([]) == written(schema, None)
    assert optional_array([text("a"), text("bc")]) == written(schema, ["a", "bc"])


def test_an_optional_record_is_its_fields_after_the_branch() -> None:
    inner = {"type": "record", "name": "cutout", "fields": [{"name": "f", "type": "string"}]}
    assert optional_record(text("x")) == written(fastavro.parse_schema(["null", inner]), {"f": "x"})
