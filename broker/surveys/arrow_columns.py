"""Columns of a batch as Arrow arrays, read as flat NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker.units import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class ArrowColumns:
    """Columns of a batch, one entry per row and name.

    A list column (``prv_candidates.jd``: a field of an array of records) is read flat, row after
    row in the order of its lists, and `owners` tells whose the values are.

    Attributes
    ----------
    arrays
        Name → Arrow array, all of one length.
    n_rows
        That length.
    """

    arrays: Mapping[str, pa.Array]
    n_rows: int

    def floats(self, name: str) -> Floats:
        """Values as float64, null as NaN."""
        values = self._flat(name)
        if values.type != pa.float64():
            values = values.cast(pa.float64())
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)

    def integers(self, name: str, missing: int) -> Ints:
        """Values as int64 (never through a float), null as `missing`."""
        filled = pc.fill_null(self._flat(name).cast(pa.int64()), missing)
        return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)

    def strings(self, name: str) -> pa.StringArray:
        """Values as Arrow strings."""
        return self._flat(name).cast(pa.string())

    def is_one_of(self, name: str, words: tuple[str, ...]) -> Bools:
        """Whether each string is one of `words`; null is not."""
        hits = pc.is_in(self.strings(name), value_set=pa.array(words, pa.string()))
        return np.asarray(hits.to_numpy(zero_copy_only=False), dtype=bool)

    def codes(self, name: str, code_of: Mapping[Any, int], missing: int) -> Codes:
        """Small integer of each value, by a table; null and values not in the table: `missing`."""
        encoded = self._flat(name).dictionary_encode()
        known = [code_of.get(value, missing) for value in encoded.dictionary.to_pylist()]
        table = np.array([*known, missing], dtype=np.int8)
        indices = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        return np.asarray(table[indices], dtype=np.int8)

    def is_true(self, name: str) -> Bools:
        """Whether each boolean is true; null is not."""
        filled = pc.fill_null(self._flat(name).cast(pa.bool_()), False)
        return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)

    def lengths(self, name: str) -> Ints:
        """Entries of each row's list, 0 for null, shape (n_rows,)."""
        lengths = pc.fill_null(pc.list_value_length(self.arrays[name]), 0)
        return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)

    def owners(self, name: str) -> Ints:
        """Row of each flat value of a list column."""
        return np.repeat(np.arange(self.n_rows), self.lengths(name))

    def _flat(self, name: str) -> pa.Array:
        array = self.arrays[name]
        return array.flatten() if pa.types.is_list(array.type) else array


def follow(column: pa.Array, steps: Sequence[str]) -> pa.Array:
    """A field of a column of records, or of lists of records, by its path.

    Examples
    --------
    >>> history = pa.array([[{"jd": 1.0}, {"jd": 2.0}], None])
    >>> follow(history, ["jd"]).to_pylist()
    [[1.0, 2.0], []]
    """
    for step in steps:
        if pa.types.is_list(column.type):
            lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
            offsets = np.concatenate([[0], np.cumsum(lengths)])
            values = follow(column.flatten(), [step])
            column = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
        elif column.type.get_field_index(step) < 0:
            raise KeyError(f"no field {step} in {column.type}")
        else:
            column = column.flatten()[column.type.get_field_index(step)]
    return column
