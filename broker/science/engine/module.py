"""A science module as the live pass runs it: its function on one batch, halved on failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from broker.science.engine.declaration import ModuleDeclaration, Rule, ScienceModule
from broker.science.engine.series import on_arrow, to_arrow

ERROR_LENGTH = 200


@dataclass(frozen=True)
class Module:
    """A declared function and what kind of Series it takes.

    Attributes
    ----------
    declaration
        Name, version, inputs, output.
    function
        From one Series per input to a Series, or a frame for a struct.
    takes_arrow
        Whether its inputs are Series on Arrow; else they are what Spark's own evaluation gives.
    """

    declaration: ModuleDeclaration
    function: Callable[..., Any]
    takes_arrow: bool = False

    @classmethod
    def built_in(cls, module: ScienceModule) -> Module:
        """A module that ships with Nightjar."""
        return cls(module.declaration, module.func, takes_arrow=True)

    @property
    def name(self) -> str:
        """Name in settings and provenance."""
        return self.declaration.name

    @property
    def version(self) -> str:
        """Version of its values."""
        return self.declaration.version

    def load(self) -> None:
        """Load models; once per worker process."""
        if self.declaration.load is not None:
            self.declaration.load()

    def explain(self, inputs: Sequence[pa.Array]) -> list[Rule]:
        """Steps by which it comes to its result, for a batch of one alert."""
        explain = self.declaration.explain
        if explain is None:
            return []
        with np.errstate(all="ignore"):
            return explain(*self._series(inputs))

    def run(self, inputs: Sequence[pa.Array], n_rows: int) -> tuple[pa.Array, dict[int, str]]:
        """Compute a batch; alerts on which the function raises get null and an error.

        Parameters
        ----------
        inputs
            One array of shape (n_rows,) per declared input.

        Returns
        -------
        values
            Array of the declared type, shape (n_rows,).
        errors
            Row of an alert → what was raised on it alone.
        """
        if n_rows == 0:
            return pa.nulls(0, self.declaration.output), {}
        try:
            with np.errstate(all="ignore"):
                return self._checked(self.function(*self._series(inputs)), n_rows), {}
        # Whatever a module raises concerns the module, not the stream; the ledger counts it.
        except Exception as error:  # noqa: BLE001
            if n_rows == 1:
                message = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
                return pa.nulls(1, self.declaration.output), {0: message}
        return self._run_halves(inputs, n_rows)

    def _run_halves(
        self, inputs: Sequence[pa.Array], n_rows: int
    ) -> tuple[pa.Array, dict[int, str]]:
        middle = n_rows // 2
        first, first_errors = self.run([array.slice(0, middle) for array in inputs], middle)
        rest = [array.slice(middle) for array in inputs]
        second, second_errors = self.run(rest, n_rows - middle)
        shifted = {middle + row: error for row, error in second_errors.items()}
        return pa.concat_arrays([first, second]), first_errors | shifted

    def _series(self, inputs: Sequence[pa.Array]) -> list[pd.Series]:
        if self.takes_arrow:
            return [on_arrow(array) for array in inputs]
        return [array.to_pandas() for array in inputs]

    def _checked(self, result: Any, n_rows: int) -> pa.Array:
        """Result as an array of the declared type."""
        output = self.declaration.output
        if not isinstance(result, pd.Series | pd.DataFrame) or len(result) != n_rows:
            length = f"{len(result)} rows" if hasattr(result, "__len__") else "no rows"
            raise TypeError(
                f"module {self.name} gave {length} of {type(result).__name__}; "
                f"declared are {n_rows} of {output}"
            )
        if isinstance(result, pd.DataFrame):
            return self._struct(result)
        return _converted(result, output)

    def _struct(self, frame: pd.DataFrame) -> pa.StructArray:
        output = self.declaration.output
        names = output.names if pa.types.is_struct(output) else []
        if not names or set(names) != set(frame.columns):
            raise TypeError(
                f"module {self.name} gave a frame of {', '.join(map(str, frame.columns))}; "
                f"declared is {output}"
            )
        arrays = [_converted(frame[field.name], field.type) for field in output]
        return pa.StructArray.from_arrays(arrays, fields=list(output))


def _converted(series: pd.Series, dtype: pa.DataType) -> pa.Array:
    """Array of that type, by Spark's rules: NaN is null, numbers are only converted exactly."""
    if isinstance(series.dtype, pd.ArrowDtype):
        array = to_arrow(series)
        return array if array.type == dtype else array.cast(dtype)
    if pa.types.is_nested(dtype):
        return pa.array(series.tolist(), dtype)
    return pa.Array.from_pandas(series, mask=series.isna(), type=dtype)
