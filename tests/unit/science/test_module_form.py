"""A module as its author sees it: the example runs, and Series of either kind give the same."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import broker.science.modules
from broker.science.engine.declaration import ScienceModule, science_module, spark_type
from broker.science.engine.series import ModuleAlerts, on_arrow
from broker.science.modules import built_in
from tests.recorded_packets import Computed


def example() -> ScienceModule:
    """The module in the package's docstring."""
    text = (broker.science.modules.__doc__ or "").partition("::\n")[2]
    code = text.partition("\n``alerts.select")[0]
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code), names)
    module: ScienceModule = names["brightness"]
    return module


def test_the_example_in_the_docstring_runs_as_it_stands() -> None:
    module = example()
    mags = pd.Series([np.array([17.5, np.nan]), None])
    found = module.func(pd.Series([17.5, 18.5]), mags)
    assert found.to_dict("list") == {"is_bright": [True, False], "n_points": [2, 0]}
    assert module.declaration.name == "brightness"
    assert module.declaration.meaning.startswith("Whether the alert is bright")


@pytest.mark.parametrize("position", range(3))
def test_numpy_series_give_what_series_on_arrow_give(ztf: Computed, position: int) -> None:
    module = built_in("ztf")[position]
    batch = ztf.science.compute(ztf.columns, len(ztf.packets)).batch
    arrays = [batch.array(found) for found in ztf.science.inputs[module.declaration.name]]
    arrow = module.func(*map(on_arrow, arrays))
    plain = module.func(*(array.to_pandas() for array in arrays))
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in arrow.dtypes)
    assert not any(isinstance(dtype, pd.ArrowDtype) for dtype in plain.dtypes)
    for field in module.declaration.output:
        found = pa.array(plain[field.name], field.type, from_pandas=True)
        assert found.to_pylist() == pa.array(arrow[field.name]).to_pylist()


def test_list_inputs_on_arrow_are_read_without_a_copy() -> None:
    lists = pa.array([[1.0, 2.0], [], [3.0]])
    alerts = ModuleAlerts.of({"mags": on_arrow(lists)}, lists=["mags"])
    values = alerts.floats("mags")
    assert values.ctypes.data == lists.values.buffers()[1].address
    assert alerts.offsets("mags").tolist() == [0, 2, 2, 3]


def test_a_batch_of_nothing_but_missing_histories_has_no_entries() -> None:
    alerts = ModuleAlerts.of({"mags": pd.Series([None, None])}, lists=["mags"])
    assert len(alerts.floats("mags")) == 0
    assert alerts.lengths("mags").tolist() == [0, 0]


def test_a_declaration_that_disagrees_with_its_udf_is_refused() -> None:
    output = pa.struct([("x", pa.float64())])

    def f(mag: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({"x": mag})

    f.returnType = spark_type(pa.struct([("x", pa.int32())]))  # type: ignore[attr-defined]
    f.func = f  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="module f is a pandas UDF of struct<x:int>, declared is"):
        science_module(version="1", inputs=("mag",), output=output)(f)
