"""An alert's row does not depend on the other alerts of its batch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from tests.recorded_packets import Computed


def rows_in_batches(computed: Computed, order: Sequence[int], size: int) -> list[dict[str, Any]]:
    """Rows in the packets' order, computed in another one and in batches."""
    chosen = {path: array.take(pa.array(order)) for path, array in computed.columns.items()}
    rows: list[dict[str, Any]] = []
    for start in range(0, len(order), size):
        batch = {path: array.slice(start, size) for path, array in chosen.items()}
        n_rows = min(size, len(order) - start)
        rows += computed.science.run(batch, n_rows).to_pylist()
    back = dict(zip(order, rows, strict=True))
    return [
        {name: value for name, value in back[k].items() if name != "seconds"}
        for k in range(len(order))
    ]


@pytest.mark.parametrize("fixture", ["ztf", "elasticc"])
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_any_order_and_batch_size_gives_identical_rows(
    fixture: str, size: int, request: pytest.FixtureRequest
) -> None:
    computed: Computed = request.getfixturevalue(fixture)
    order = list(range(len(computed.packets)))
    random.Random(size).shuffle(order)
    assert rows_in_batches(computed, order, size) == computed.rows


def test_an_empty_batch_gives_no_rows(ztf: Computed) -> None:
    empty = {path: array.slice(0, 0) for path, array in ztf.columns.items()}
    result = ztf.science.run(empty, 0)
    assert len(result) == 0
    assert result.type == ztf.science.output


def test_slices_of_light_curves_are_whole_light_curves(ztf: Computed) -> None:
    computed = ztf.science.compute(ztf.columns, len(ztf.packets))
    curves = computed.curves
    part = curves.slice(10, 20)
    assert part.n_alerts == 10
    assert part.this.tolist() == (curves.this[10:20] - curves.offsets[10]).tolist()
    assert (part.mjd == curves.mjd[curves.offsets[10] : curves.offsets[20]]).all()
