"""One batch of alerts through light curves and all modules, in NumPy and Arrow, without Spark."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from broker.science.engine.inputs import Batch, Input
from broker.science.engine.kept import keep, kept_with_batch
from broker.science.engine.module import Module
from broker.science.engine.own import OwnModule, own_modules
from broker.science.engine.registry import Modules
from broker.science.lightcurves.build import LightCurves
from broker.science.lightcurves.columns import COMMON, MEASURED, columns_of_packets
from broker.settings import ScienceSettings
from broker.surveys import get_survey
from broker.surveys.arrow_columns import ArrowColumns
from broker.surveys.photometry import BANDS, KINDS
from broker.tables.science_schema import ERRORS

LIGHTCURVE = "lightcurve"
LIGHTCURVE_VERSION = "1.0"


@dataclass(frozen=True)
class Computed:
    """What a batch gave: its columns and light curves, and the CPU seconds of each step."""

    batch: Batch
    curves: LightCurves
    seconds: dict[str, float]

    @property
    def columns(self) -> dict[str, pa.Array]:
        """Columns of the science table by name, and ``errors``."""
        return self.batch.columns


class SciencePass:
    """The modules of one survey and all that they need, ready to run on batches.

    Parameters
    ----------
    survey
        Name of the survey.
    settings
        Section ``[science]``.
    own
        Modules of one's own; none: those of the folder ``science.folder``.

    Raises
    ------
    SettingsError
        The modules cannot be loaded or don't fit together.
    """

    def __init__(
        self, survey: str, settings: ScienceSettings, own: tuple[OwnModule, ...] | None = None
    ) -> None:
        self.survey = survey
        self.settings = settings
        self.own = own_modules(settings.folder) if own is None else own
        self._mapping = get_survey(survey).science
        modules = Modules(survey, settings, self.own)
        self.modules, self.off, self.inputs = modules.running, modules.off, modules.inputs
        self.left_out = modules.left_out
        self.fields: tuple[pa.Field, ...] = (*COMMON, *modules.fields)
        """Columns of the science table that the pass yields: common, built-in, own."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Packet fields that the pass reads, each once."""
        wanted = [*self._mapping.photometry_paths]
        for inputs in self.inputs.values():
            wanted.extend(path for found in inputs for path in found.paths)
        return tuple(dict.fromkeys(wanted))

    @property
    def steps(self) -> dict[str, str]:
        """What is timed → its version: the light curves, then each module."""
        return {LIGHTCURVE: LIGHTCURVE_VERSION} | {m.name: m.version for m in self.modules}

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
        batch = Batch(packets, columns, n_rows)
        with kept_with_batch():
            keep_curves(batch, curves)
            ran = run_modules(self.modules, self.inputs, batch)
        return Computed(batch, curves, seconds | ran)

    def _before_modules(self, packets: ArrowColumns) -> tuple[dict[str, pa.Array], LightCurves]:
        """Common columns, nulls for the modules that are off, and the light curves."""
        zero_point = self.settings.flux_zero_point
        columns, curves = columns_of_packets(self._mapping, packets, zero_point)
        for module in self.off:
            columns |= output_values(module, pa.nulls(packets.n_rows, module.declaration.output))
        return columns, curves

    def _on_first_row(self, seconds: dict[str, float], n_rows: int) -> pa.StructArray:
        kind = self.output.field("seconds").type
        rows = [seconds, *([None] * (n_rows - 1))] if n_rows else []
        return pa.array(rows, kind)


def run_modules(
    modules: Sequence[Module], inputs: Mapping[str, Sequence[Input]], batch: Batch
) -> dict[str, float]:
    """Run modules one after the other; their columns and ``errors`` come to the batch.

    Returns
    -------
    dict
        CPU seconds of each module.
    """
    seconds = {}
    errors: dict[int, list[dict[str, str]]] = {}
    for module in modules:
        start = time.process_time()
        arrays = [batch.array(wanted) for wanted in inputs[module.name]]
        values, failed = module.run(arrays, batch.n_rows)
        batch.columns |= output_values(module, values)
        for row, error in failed.items():
            errors.setdefault(row, []).append({"module": module.name, "error": error})
        seconds[module.name] = time.process_time() - start
    batch.columns["errors"] = _errors_array(errors, batch.n_rows)
    return seconds


def _errors_array(errors: Mapping[int, list[dict[str, str]]], n_rows: int) -> pa.ListArray:
    """Errors of each row, for nearly all of them an empty list."""
    if errors:
        return pa.array([errors.get(row, []) for row in range(n_rows)], ERRORS)
    offsets = pa.array(np.zeros(n_rows + 1, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array([], ERRORS.value_type), type=ERRORS)


def output_values(module: Module, values: pa.Array) -> dict[str, pa.Array]:
    """Columns of the science table that a module fills, of what it has computed."""
    if not module.declaration.spread:
        return {module.name: values}
    # Unlike `field`, `flatten` gives the fields of a null struct as null.
    return dict(zip(module.declaration.columns, values.flatten(), strict=True))


def keep_curves(batch: Batch, curves: LightCurves) -> None:
    """Keep what is known of the light curves' lists as NumPy arrays with the batch."""
    points = batch.columns[LIGHTCURVE].flatten()
    fields = dict(zip(points.type.names, points.flatten(), strict=True))
    for name in MEASURED:
        keep(fields[name], {"floats": getattr(curves, name)})
    keep(fields["band"], {BANDS: curves.band})
    keep(fields["kind"], {KINDS: curves.kind})
    keep(fields["is_positive"], {"signs": curves.sign})
