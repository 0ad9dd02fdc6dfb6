"""Call a function of fink-science on a file of its arguments; runs in fink's own Python.

Arguments: ``module:function``, a Parquet file with a column per argument in their order, and the
Parquet file to write, with a column per field of the result or one named ``value``.
"""

from __future__ import annotations

import importlib
import sys
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def main(function: str, arguments: str, result: str) -> None:
    """Call it as Spark would: NumPy values, NaN for null, lists as arrays."""
    module, _, name = function.partition(":")
    with warnings.catch_warnings():
        # Some modules give the type of their UDF in a way that Spark advises against.
        warnings.simplefilter("ignore", UserWarning)
        udf = getattr(importlib.import_module(module), name)
    frame = pq.read_table(arguments).to_pandas()
    pq.write_table(to_table(udf.func(*(frame[column] for column in frame))), result)


def to_table(found: pd.Series | pd.DataFrame) -> pa.Table:
    """A column per field of a data frame or of a series of maps; one column for values."""
    if isinstance(found, pd.DataFrame):
        return pa.Table.from_pandas(found, preserve_index=False)
    if isinstance(found.iloc[0], dict):
        rows = [{key: np.asarray(value) for key, value in row.items()} for row in found]
        return pa.Table.from_pylist(rows)
    return pa.table({"value": found.to_numpy()})


if __name__ == "__main__":
    main(*sys.argv[1:])
