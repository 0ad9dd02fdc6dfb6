"""One batch of alerts through light curves and all modules, in NumPy and Arrow, without Spark."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker.errors import SettingsError
from broker.science.arrow import column
from broker.science.base import Alerts, Module
from broker.science.common import COMMON, common_columns
from broker.science.lightcurve import LightCurves, build_lightcurves
from broker.science.registry import BUILT_IN, build_modules, built_in_modules, output_columns
from broker.settings import Science
from broker.surveys import get_survey
from broker.surveys.arrow_columns import ArrowColumns
from broker.surveys.base import QUANTITIES

LIGHTCURVE = "lightcurve"
LIGHTCURVE_VERSION = "1.0"
ERRORS = pa.list_(
    pa.struct(
        [
            column("module", pa.string(), "", "module that raised on this alert"),
            column("error", pa.string(), "", "what it raised"),
        ]
    )
)


@dataclass(frozen=True)
class Computed:
    """What a batch gave: columns of the pass, the alerts with them, CPU seconds of each step."""

    columns: dict[str, pa.Array]
    alerts: Alerts
    seconds: dict[str, float]


class SciencePass:
    """The modules of one survey and all that they need, ready to run on batches.

    Parameters
    ----------
    survey
        Name of the survey.
    settings
        Section ``[science]``.
    """

    def __init__(self, survey: str, settings: Science) -> None:
        self.survey = survey
        self.mapping = get_survey(survey).science
        self.settings = settings
        self.modules = build_modules(survey, settings)
        running = {module.name for module in self.modules}
        self.off = tuple(m for m in built_in_modules(survey, settings) if m.name not in running)
        self._columns = {field.name: field.type for field in self.fields}
        self._paths_of = {m.name: self._packet_paths(m) for m in self.modules}

    @property
    def paths(self) -> tuple[str, ...]:
        """Packet fields that the pass reads, each once."""
        wanted = [*self.mapping.photometry_paths]
        for by_name in self._paths_of.values():
            wanted.extend(by_name.values())
        return tuple(dict.fromkeys(wanted))

    @property
    def steps(self) -> dict[str, str]:
        """What is timed → its version: the light curves, then each module."""
        return {LIGHTCURVE: LIGHTCURVE_VERSION} | {m.name: m.version for m in self.modules}

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        """Columns of the science table that the pass yields: common, built-in, plug-ins."""
        built_in = {m.name: m for m in (*self.modules, *self.off) if m.name in BUILT_IN}
        plug_ins = [m for m in self.modules if m.name not in BUILT_IN]
        modules = [*(built_in[name] for name in BUILT_IN), *plug_ins]
        return (*COMMON, *(field for module in modules for field in _output_fields(module)))

    @cached_property
    def output(self) -> pa.StructType:
        """Struct of all columns that a batch yields, with ``errors`` and ``seconds``."""
        seconds = pa.struct([pa.field(name, pa.float64()) for name in self.steps])
        return pa.struct([*self.fields, pa.field("errors", ERRORS), pa.field("seconds", seconds)])

    def packet_paths(self, module: Module) -> dict[str, str]:
        """Inputs of a module of this pass that come from the packet → their paths."""
        return self._paths_of[module.name]

    def load(self) -> None:
        """Load the modules' models; once per worker process."""
        for module in self.modules:
            module.load()

    def run(self, packets: Mapping[str, pa.Array], n_rows: int) -> pa.StructArray:
        """All columns of a batch as one struct of type `output`.

        Parameters
        ----------
        packets
            Path → Arrow array of shape (n_rows,), for all `paths`.
        """
        computed = self.compute(packets, n_rows)
        columns = computed.columns | {"seconds": self._on_first_row(computed.seconds, n_rows)}
        fields = list(self.output)
        return pa.StructArray.from_arrays([columns[f.name] for f in fields], fields=fields)

    def compute(self, packets: Mapping[str, pa.Array], n_rows: int) -> Computed:
        """Columns of a batch by name."""
        start = time.process_time()
        with np.errstate(all="ignore"):
            photometry = self.mapping.read_photometry(
                ArrowColumns(packets, n_rows), self.settings.flux_zero_point
            )
            curves = build_lightcurves(photometry)
            columns = common_columns(photometry, curves)
        for module in self.off:
            columns |= _output_columns(module, pa.nulls(n_rows, module.output))
        seconds = {LIGHTCURVE: time.process_time() - start}
        errors: list[list[dict[str, str]]] = [[] for _ in range(n_rows)]
        for module in self.modules:
            start = time.process_time()
            alerts = self._alerts(module, packets, columns, curves)
            values, failed = module.run(alerts)
            columns |= _output_columns(module, values)
            for position, error in failed.items():
                errors[position].append({"module": module.name, "error": error})
            seconds[module.name] = time.process_time() - start
        columns["errors"] = pa.array(errors, ERRORS)
        return Computed(columns, Alerts(columns, n_rows, curves, frozenset()), seconds)

    def alerts_for(self, module: Module, packets: Mapping[str, pa.Array], so_far: Alerts) -> Alerts:
        """What a module of this pass sees, from the columns of a computed batch."""
        return self._alerts(module, packets, so_far.arrays, so_far.lightcurves)

    def _alerts(
        self,
        module: Module,
        packets: Mapping[str, pa.Array],
        columns: Mapping[str, pa.Array],
        curves: LightCurves,
    ) -> Alerts:
        n_rows = curves.n_alerts
        paths = self._paths_of[module.name]
        arrays: dict[str, pa.Array] = {}
        absent: set[str] = set()
        for name in module.inputs:
            if name == LIGHTCURVE:
                continue
            if name in paths:
                arrays[name] = packets[paths[name]]
            elif self._is_column(name):
                arrays[name] = _follow(columns, name)
            else:
                absent.add(name)
                arrays[name] = pa.nulls(n_rows, pa.float64())
        return Alerts(arrays, n_rows, curves, frozenset(absent))

    def _is_column(self, name: str) -> bool:
        return name.partition(".")[0] in self._columns

    def _packet_paths(self, module: Module) -> dict[str, str]:
        """Inputs of a module that come from the packet → path."""
        paths = {}
        for name in module.inputs:
            if self._is_column(name):
                self._check_column(module, name)
            elif name in self.mapping.quantities:
                paths[name] = self.mapping.quantities[name]
            elif "." in name:
                paths[name] = name
            elif name not in QUANTITIES:
                raise SettingsError(
                    f"science.modules: {module.name} reads {name!r}, which is neither a column of "
                    "the science table, nor a field of the packet (record.field), nor one of the "
                    f"quantities {', '.join(QUANTITIES)}"
                )
        return paths

    def _check_column(self, module: Module, name: str) -> None:
        top, *steps = name.split(".")
        if top == LIGHTCURVE and not steps:
            return
        kind = self._columns[top]
        for step in steps:
            if not pa.types.is_struct(kind) or kind.get_field_index(step) < 0:
                raise SettingsError(
                    f"science.modules: {module.name} reads {name}, but {top} is {kind}"
                )
            kind = kind.field(step).type

    def _on_first_row(self, seconds: dict[str, float], n_rows: int) -> pa.StructArray:
        kind = self.output.field("seconds").type
        rows = [seconds, *([None] * (n_rows - 1))] if n_rows else []
        return pa.array(rows, kind)


def _output_fields(module: Module) -> list[pa.Field]:
    if module.spread:
        return list(module.output)
    meaning = (module.__doc__ or module.name).partition("\n")[0]
    return [column(module.name, module.output, "", meaning)]


def _output_columns(module: Module, values: pa.StructArray) -> dict[str, pa.Array]:
    if not module.spread:
        return {module.name: values}
    # Unlike `field`, `flatten` gives the fields of a null struct as null.
    return dict(zip(output_columns(module), values.flatten(), strict=True))


def _follow(columns: Mapping[str, pa.Array], name: str) -> pa.Array:
    top, *steps = name.split(".")
    return pc.struct_field(columns[top], steps) if steps else columns[top]
