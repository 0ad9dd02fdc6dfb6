"""NumPy results to typed Arrow arrays, and the typed columns' declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker.surveys.arrow_columns import Bools, Ints
from broker.units import Floats

Values: TypeAlias = "NDArray[Any] | pa.Array"


def to_array(values: Values, kind: pa.DataType) -> pa.Array:
    """One column of that type; NaN becomes null."""
    if isinstance(values, pa.Array):
        return values if values.type == kind else values.cast(kind)
    if values.dtype.kind != "f":
        return pa.array(values).cast(kind)
    return pa.array(values, mask=np.isnan(values)).cast(kind)


def to_struct(
    kind: pa.StructType, columns: Mapping[str, Values], valid: Bools | None = None
) -> pa.StructArray:
    """Struct array of a declared type.

    Parameters
    ----------
    columns
        One array per field of the type, each of shape (n,); float NaN becomes null.
    valid
        Rows whose struct is not null, shape (n,); none: all.

    Raises
    ------
    ValueError
        A field is missing or not declared.
    """
    declared = {field.name for field in kind}
    if declared != set(columns):
        odd = ", ".join(sorted(declared ^ set(columns)))
        raise ValueError(f"fields that are only computed or only declared: {odd}")
    arrays = [to_array(columns[field.name], field.type) for field in kind]
    mask = None if valid is None or valid.all() else pa.array(~valid)
    return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=mask)


def to_lists(offsets: Ints, values: pa.Array) -> pa.ListArray:
    """Lists of a flat array, row k having ``values[offsets[k]:offsets[k + 1]]``."""
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def named(codes: NDArray[np.int8], names: tuple[str, ...]) -> pa.StringArray:
    """Name of each code; null for a negative one."""
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).dictionary_decode()


def positive(sign: NDArray[np.int8]) -> pa.BooleanArray:
    """True for 1, false for −1, null for 0."""
    return pa.array(sign > 0, mask=sign == 0)


def present(values: Floats) -> Bools:
    """True where a value is not missing."""
    return ~np.isnan(values)
