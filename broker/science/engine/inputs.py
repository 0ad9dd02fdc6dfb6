"""Where a module's inputs come from: the science table's columns, or the packet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from broker.errors import SettingsError
from broker.science.engine.module import Module, ModuleAlerts
from broker.science.lightcurves.build import LightCurves
from broker.surveys.base import QUANTITIES

LIGHTCURVE = "lightcurve"


@dataclass(frozen=True)
class Inputs:
    """Inputs of one module.

    Attributes
    ----------
    paths
        Inputs that come from the packet → their paths.
    columns
        Columns of the science table, and fields of them.
    absent
        Quantities that this survey does not have.
    """

    paths: Mapping[str, str]
    columns: tuple[str, ...]
    absent: frozenset[str]

    def gather(
        self,
        packets: Mapping[str, pa.Array],
        columns: Mapping[str, pa.Array],
        curves: LightCurves,
    ) -> ModuleAlerts:
        """What the module sees of a batch."""
        arrays = {name: packets[path] for name, path in self.paths.items()}
        arrays |= {name: _follow(columns, name) for name in self.columns}
        arrays |= {name: pa.nulls(curves.n_alerts, pa.float64()) for name in self.absent}
        return ModuleAlerts(arrays, curves.n_alerts, curves, self.absent)


def resolve(
    module: Module, columns: Mapping[str, pa.DataType], quantities: Mapping[str, str]
) -> Inputs:
    """Find each of a module's declared inputs.

    Parameters
    ----------
    columns
        Types of the science table's columns.
    quantities
        The survey's paths of `broker.surveys.base.QUANTITIES`.

    Raises
    ------
    SettingsError
        Nobody has such an input.
    """
    paths: dict[str, str] = {}
    taken: list[str] = []
    absent: set[str] = set()
    for name in module.inputs:
        if name == LIGHTCURVE:
            continue
        if name.partition(".")[0] in columns:
            _check_column(module, name, columns)
            taken.append(name)
        elif name in quantities:
            paths[name] = quantities[name]
        elif "." in name:
            paths[name] = name
        elif name in QUANTITIES:
            absent.add(name)
        else:
            raise SettingsError(
                f"science.modules: {module.name} reads {name!r}, which is neither a column of the "
                "science table, nor a field of the packet (record.field), nor one of the "
                f"quantities {', '.join(QUANTITIES)}"
            )
    return Inputs(paths, tuple(taken), frozenset(absent))


def _check_column(module: Module, name: str, columns: Mapping[str, pa.DataType]) -> None:
    top, *steps = name.split(".")
    kind = columns[top]
    for step in steps:
        if not pa.types.is_struct(kind) or kind.get_field_index(step) < 0:
            raise SettingsError(f"science.modules: {module.name} reads {name}, but {top} is {kind}")
        kind = kind.field(step).type


def _follow(columns: Mapping[str, pa.Array], name: str) -> pa.Array:
    top, *steps = name.split(".")
    return pc.struct_field(columns[top], steps) if steps else columns[top]
