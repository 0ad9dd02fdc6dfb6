"""pandas Series of a module's inputs as flat NumPy arrays, and its results as a frame.

Inside the live pass a Series stands on an Arrow array (``pd.ArrowDtype``), from Spark's own
evaluation it holds NumPy values, and lists are NumPy arrays. A module need not know which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from broker.science.engine.kept import once
from broker.science.engine.to_arrow import Values, to_struct
from broker.surveys.arrow_columns import ArrowColumns, Codes
from broker.units import Floats

_NO_LISTS = pa.list_(pa.null())


@dataclass(frozen=True)
class ModuleAlerts(ArrowColumns):
    """Inputs of a module by the names of its arguments; list columns are read flat.

    Attributes
    ----------
    on_arrow
        Results are Series on Arrow as well: the live pass takes them without a copy.
    """

    on_arrow: bool

    @classmethod
    def of(cls, inputs: Mapping[str, pd.Series], lists: Sequence[str] = ()) -> Self:
        """Inputs of one call.

        Parameters
        ----------
        inputs
            One Series per argument, all of the length of the first; a constant may have length 1.
        lists
            Names of the inputs that are lists: a Series of None alone doesn't say so.
        """
        first = next(iter(inputs.values()))
        arrays = {name: to_arrow(series) for name, series in inputs.items()}
        for name in lists:
            if pa.types.is_null(arrays[name].type):
                arrays[name] = pa.nulls(len(arrays[name]), _NO_LISTS)
        return cls(arrays, len(first), isinstance(first.dtype, pd.ArrowDtype))

    def floats(self, name: str) -> Floats:
        """Values as float64, null as NaN; read only."""
        return once(self._flat(name), "floats", lambda: super(ModuleAlerts, self).floats(name))

    def index_in(self, name: str, known: tuple[str, ...]) -> Codes:
        """Position of each string in `known`, −1 for null and for any other; read only."""
        names = self._flat(name)
        return once(names, known, lambda: _codes(names, known))

    def signs(self, name: str) -> Codes:
        """1 for true, −1 for false, 0 for null; read only."""
        values = self._flat(name)
        return once(values, "signs", lambda: _signs(values))

    def offsets(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Where each row's list begins and the last one ends, shape (n_rows + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths(name))])

    def frame(self, dtype: pa.StructType, columns: Mapping[str, Values]) -> pd.DataFrame:
        """Result of a module: one column per field of its declared type; NaN becomes null."""
        return self.to_frame(to_struct(dtype, columns))

    def to_frame(self, values: pa.StructArray) -> pd.DataFrame:
        """Fields of a struct array as columns, on Arrow or as NumPy values like the inputs."""
        series = on_arrow if self.on_arrow else _on_numpy
        fields = zip(values.type, values.flatten(), strict=True)
        return pd.DataFrame({field.name: series(array) for field, array in fields}, copy=False)


def on_arrow(array: pa.Array) -> pd.Series:
    """Series that stands on an Arrow array, without a copy."""
    return pd.Series(pd.arrays.ArrowExtensionArray(array))


def to_arrow(series: pd.Series) -> pa.Array:
    """Arrow array of a Series: the one that it stands on, or a new one of its NumPy values."""
    if not isinstance(series.dtype, pd.ArrowDtype):
        return pa.array(series, from_pandas=True)
    array = pa.array(series)
    if isinstance(array, pa.ChunkedArray):
        return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    return array


def _on_numpy(array: pa.Array) -> pd.Series:
    """Series as Spark takes it: structs as dicts, null as None or NaN."""
    if pa.types.is_struct(array.type):
        return pd.Series(array.to_pylist(), dtype=object)
    values: pd.Series = array.to_pandas()
    return values


def _codes(names: pa.Array, known: tuple[str, ...]) -> Codes:
    strings = names.cast(pa.string())
    found = pc.fill_null(pc.index_in(strings, value_set=pa.array(known, pa.string())), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int8)


def _signs(values: pa.Array) -> Codes:
    signs = pc.fill_null(pc.if_else(values.cast(pa.bool_()), 1, -1), 0)
    return np.asarray(signs.to_numpy(zero_copy_only=False), dtype=np.int8)
