"""Where a module's inputs come from: the science table, the packet, or its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker.errors import SettingsError
from broker.science.engine.declaration import CONSTANT, HISTORY, SETTING
from broker.settings import ScienceSettings
from broker.surveys import Survey
from broker.surveys.arrow_columns import follow
from broker.surveys.base import QUANTITIES
from broker.tables.science_schema import ROW_COLUMNS, packet_fields, packet_names

SURVEY = "survey"


@dataclass(frozen=True)
class Input:
    """One input of a module, found.

    Attributes
    ----------
    name
        As declared.
    dtype
        Type of its values.
    column
        Path in the science table; empty for any other.
    paths
        Paths in the packet: one, or for ``history+`` the history's and the alert's own.
    value
        Of a constant.
    absent
        A quantity that this survey does not have: null everywhere.
    """

    name: str
    dtype: pa.DataType
    column: str = ""
    paths: tuple[str, ...] = ()
    value: str | float | None = None
    absent: bool = False


@dataclass
class Batch:
    """A batch of alerts on its way through the modules.

    Attributes
    ----------
    packets
        Path → array of shape (n_rows,).
    columns
        Columns of the science table that have been computed so far.
    """

    packets: Mapping[str, pa.Array]
    columns: dict[str, pa.Array]
    n_rows: int
    _found: dict[Input, pa.Array] = field(default_factory=dict)

    def array(self, wanted: Input) -> pa.Array:
        """Values of an input, shape (n_rows,); the same array for every module that asks."""
        if wanted not in self._found:
            self._found[wanted] = self._gather(wanted)
        return self._found[wanted]

    def _gather(self, wanted: Input) -> pa.Array:
        if wanted.column:
            top, *steps = wanted.column.split(".")
            array = _field(self.columns[top], steps)
        elif len(wanted.paths) > 1:
            array = _history_and_this(*(self.packets[path] for path in wanted.paths))
        elif wanted.paths:
            array = self.packets[wanted.paths[0]]
        else:
            return pa.repeat(pa.scalar(wanted.value, wanted.dtype), self.n_rows)
        return array if array.type == wanted.dtype else array.cast(wanted.dtype)


@dataclass(frozen=True)
class InputFinder:
    """Finds the inputs of one survey's modules.

    Attributes
    ----------
    columns
        Types of the science table's columns that the pass computes.
    """

    survey: Survey
    settings: ScienceSettings
    columns: Mapping[str, pa.DataType]

    def find(self, name: str) -> Input:
        """One input by its declared name.

        Raises
        ------
        SettingsError
            Nobody has such an input.
        """
        if name.startswith(CONSTANT):
            return self._constant(name)
        if name.startswith(HISTORY):
            return self._history(name)
        if name.partition(".")[0] in self.columns:
            return Input(name, self._column_type(name), column=name)
        return self._of_the_alert(name)

    def _of_the_alert(self, name: str) -> Input:
        """Input that no column has: of the raw row, a quantity, or a field of the packet."""
        if name == SURVEY:
            return Input(name, pa.string(), value=self.survey.name)
        if name in ROW_COLUMNS:
            return Input(name, ROW_COLUMNS[name], paths=(name,))
        path = self.survey.science.quantities.get(name, name)
        if path in QUANTITIES and path not in packet_names(self.survey):
            return Input(name, pa.float64(), absent=True)
        return Input(name, self._packet_type(path), paths=(path,))

    def _constant(self, name: str) -> Input:
        if not name.startswith(SETTING):
            return _literal(name)
        key = name.removeprefix(SETTING)
        value = getattr(self.settings, key, None)
        if not isinstance(value, int | float):
            raise SettingsError(f"{name}: the settings have no number science.{key}")
        return Input(name, pa.scalar(value).type, value=value)

    def _history(self, name: str) -> Input:
        path = name.removeprefix(HISTORY)
        record, _, rest = path.partition(".")
        histories = self.survey.science.histories
        if record not in histories or not rest:
            known = ", ".join(f"history+{one}.…" for one in histories) or "none"
            raise SettingsError(f"{name}: {self.survey.name} packets have {known}")
        earlier = f"{histories[record]}.{rest}"
        dtype = self._packet_type(earlier)
        self._packet_type(path)
        return Input(name, dtype, paths=(earlier, path))

    def _column_type(self, name: str) -> pa.DataType:
        top, *steps = name.split(".")
        dtype = _type_at(self.columns[top], steps)
        if dtype is None:
            raise SettingsError(f"{name}: {top} is {self.columns[top]}")
        return dtype

    def _packet_type(self, path: str) -> pa.DataType:
        top, *steps = path.split(".")
        if top not in packet_names(self.survey):
            raise SettingsError(
                f"{path}: neither a column of the science table, nor a field of the packets of "
                f"{self.survey.name}, nor one of the quantities {', '.join(QUANTITIES)}"
            )
        (record,) = packet_fields(self.survey, [top])
        dtype = _type_at(record.type, steps)
        if dtype is None:
            raise SettingsError(f"{path}: the packets of {self.survey.name} don't have it")
        return dtype


def _literal(name: str) -> Input:
    text = name.removeprefix(CONSTANT)
    for read, dtype in ((int, pa.int64()), (float, pa.float64())):
        try:
            return Input(name, dtype, value=read(text))
        except ValueError:
            continue
    return Input(name, pa.string(), value=text)


def _type_at(dtype: pa.DataType, steps: list[str]) -> pa.DataType | None:
    """Type of a field; a list of values where the path goes through a list of records."""
    if not steps:
        return dtype
    if pa.types.is_list(dtype):
        inner = _type_at(dtype.value_type, steps)
        return None if inner is None else pa.list_(inner)
    if not pa.types.is_struct(dtype) or dtype.get_field_index(steps[0]) < 0:
        return None
    return _type_at(dtype.field(steps[0]).type, steps[1:])


def _field(column: pa.Array, steps: list[str]) -> pa.Array:
    """A field of a column; null where its struct is null."""
    if steps and pa.types.is_struct(column.type):
        return _field(pc.struct_field(column, [steps[0]]), steps[1:])
    return follow(column, steps)


def _history_and_this(history: pa.ListArray, this: pa.Array) -> pa.ListArray:
    """Each row's history, in the packet's order, with the alert's own value last.

    Examples
    --------
    >>> history = pa.array([[1.0, None], [], None])
    >>> _history_and_this(history, pa.array([7.0, 8.0, None])).to_pylist()
    [[1.0, None, 7.0], [8.0], [None]]
    """
    values = history.flatten()
    lengths = pc.fill_null(pc.list_value_length(history), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
    own = np.zeros(offsets[-1], dtype=bool)
    own[offsets[1:] - 1] = True
    places = np.empty(len(own), dtype=np.int64)
    places[~own] = np.arange(len(values))
    places[own] = len(values) + np.arange(len(this))
    both = pa.concat_arrays([values, this.cast(values.type)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), both.take(pa.array(places)))
