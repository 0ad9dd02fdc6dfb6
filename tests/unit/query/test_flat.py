"""Plain columns: fields of structs by names of their own, light curves as lists of one length."""

from __future__ import annotations

import pyarrow as pa

from broker.query.flat import as_text, flat, with_structs_of_lists

POINTS = [[{"mjd": 1.0, "band": "g"}, {"mjd": None, "band": "r"}], None, [], [None]]


def test_fields_of_structs_are_columns_down_to_the_last() -> None:
    rows = pa.table({"id": [1, 2], "a": [{"b": {"c": 3}, "d": [4]}, None]})
    assert flat(rows).to_pydict() == {"id": [1, 2], "a_b_c": [3, None], "a_d": [[4], None]}


def test_lists_of_structs_are_structs_of_lists() -> None:
    rows = pa.table({"curve": POINTS, "id": range(4)})
    expected = [
        {"mjd": [1.0, None], "band": ["g", "r"]},
        None,
        {"mjd": [], "band": []},
        {"mjd": [None], "band": [None]},
    ]
    assert with_structs_of_lists(rows)["curve"].to_pylist() == expected
    assert with_structs_of_lists(rows.slice(1, 2))["curve"].to_pylist() == expected[1:3]
    assert with_structs_of_lists(rows.slice(4)).num_rows == 0
    assert with_structs_of_lists(rows).column_names == ["curve", "id"]


def test_a_value_in_one_cell_is_text() -> None:
    assert as_text([{"a": b"xy", "b": None}]) == '[{"a": "<2 bytes>", "b": null}]'
    assert [as_text(value) for value in (None, "x", 1.5, True)] == ["", "x", "1.5", "True"]
