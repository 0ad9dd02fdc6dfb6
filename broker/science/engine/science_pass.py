"""One batch of alerts through light curves and all modules, in NumPy and Arrow, without Spark."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from broker.science.engine.inputs import LIGHTCURVE, Inputs, resolve
from broker.science.engine.module import Module, ModuleAlerts
from broker.science.engine.registry import BUILT_IN, build_modules, built_in_modules, output_columns
from broker.science.lightcurves.build import LightCurves, build_lightcurves
from broker.science.lightcurves.columns import COMMON, common_columns
from broker.settings import ScienceSettings
from broker.surveys import get_survey
from broker.surveys.arrow_columns import ArrowColumns
from broker.tables.declaration import column
from broker.tables.science_schema import ERRORS

LIGHTCURVE_VERSION = "1.0"


@dataclass(frozen=True)
class Computed:
    """What a batch gave: its columns and light curves, and the CPU seconds of each step."""

    columns: dict[str, pa.Array]
    curves: LightCurves
    seconds: dict[str, float]


class SciencePass:
    """The modules of one survey and all that they need, ready to run on batches.

    Parameters
    ----------
    survey
        Name of the survey.
    settings
        Section ``[science]``.

    Raises
    ------
    SettingsError
        The modules cannot be loaded or don't fit together.
    """

    def __init__(self, survey: str, settings: ScienceSettings) -> None:
        self.survey = survey
        self.settings = settings
        self.modules = build_modules(survey, settings)
        running = {module.name for module in self.modules}
        self.off = tuple(m for m in built_in_modules(survey, settings) if m.name not in running)
        self._mapping = get_survey(survey).science
        columns = {field.name: field.type for field in self.fields}
        self.inputs: Mapping[str, Inputs] = {
            module.name: resolve(module, columns, self._mapping.quantities)
            for module in self.modules
        }

    @property
    def paths(self) -> tuple[str, ...]:
        """Packet fields that the pass reads, each once."""
        wanted = [*self._mapping.photometry_paths]
        for inputs in self.inputs.values():
            wanted.extend(inputs.paths.values())
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
        return (*COMMON, *(field for module in modules for field in output_fields(module)))

    @cached_property
    def output(self) -> pa.StructType:
        """Struct of all columns that a batch yields, with ``errors`` and ``seconds``."""
        seconds = pa.struct([pa.field(name, pa.float64()) for name in self.steps])
        return pa.struct([*self.fields, pa.field("errors", ERRORS), pa.field("seconds", seconds)])

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
        """Columns of a batch by name; parameters as for `run`."""
        start = time.process_time()
        columns, curves = self._before_modules(ArrowColumns(packets, n_rows))
        seconds = {LIGHTCURVE: time.process_time() - start}
        errors: list[list[dict[str, str]]] = [[] for _ in range(n_rows)]
        for module in self.modules:
            start = time.process_time()
            values, failed = module.run(self.alerts_for(module, packets, columns, curves))
            columns |= output_values(module, values)
            for position, error in failed.items():
                errors[position].append({"module": module.name, "error": error})
            seconds[module.name] = time.process_time() - start
        columns["errors"] = pa.array(errors, ERRORS)
        return Computed(columns, curves, seconds)

    def alerts_for(
        self,
        module: Module,
        packets: Mapping[str, pa.Array],
        columns: Mapping[str, pa.Array],
        curves: LightCurves,
    ) -> ModuleAlerts:
        """What a module of this pass sees of a batch, given the columns computed so far."""
        return self.inputs[module.name].gather(packets, columns, curves)

    def _before_modules(self, packets: ArrowColumns) -> tuple[dict[str, pa.Array], LightCurves]:
        """Common columns, nulls for the modules that are off, and the light curves."""
        with np.errstate(all="ignore"):
            photometry = self._mapping.read_photometry(packets, self.settings.flux_zero_point)
            curves = build_lightcurves(photometry)
            columns = common_columns(photometry, curves)
        for module in self.off:
            columns |= output_values(module, pa.nulls(packets.n_rows, module.output))
        return columns, curves

    def _on_first_row(self, seconds: dict[str, float], n_rows: int) -> pa.StructArray:
        kind = self.output.field("seconds").type
        rows = [seconds, *([None] * (n_rows - 1))] if n_rows else []
        return pa.array(rows, kind)


def output_fields(module: Module) -> list[pa.Field]:
    """Columns of the science table that a module fills, declared."""
    if module.spread:
        return list(module.output)
    meaning = (module.__doc__ or module.name).partition("\n")[0]
    return [column(module.name, module.output, "", meaning)]


def output_values(module: Module, values: pa.StructArray) -> dict[str, pa.Array]:
    """The same columns of what the module has computed."""
    if not module.spread:
        return {module.name: values}
    # Unlike `field`, `flatten` gives the fields of a null struct as null.
    return dict(zip(output_columns(module), values.flatten(), strict=True))
