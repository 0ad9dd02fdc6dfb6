"""What a science module is: a declaration and one vectorised function.

A module is one class in one file::

    class Brightness(Module):
        name = "brightness"
        version = "1.0"
        inputs = ("mag", "candidate.classtar")
        output = pa.struct([column("is_bright", pa.bool_(), "", "brighter than 18 mag")])

        def compute(self, alerts: Alerts) -> pa.StructArray:
            return to_struct(self.output, {"is_bright": alerts.floats("mag") < 18})

and is switched on by ``[science] modules = [..., "package.file:Brightness"]``. It then adds the
struct column ``brightness`` to the science table. The values of an alert must not depend on
the other alerts of the batch, on the clock or on chance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pyarrow as pa

from broker.science.lightcurves.build import LightCurves
from broker.settings import ScienceSettings
from broker.surveys.arrow_columns import ArrowColumns, slice_arrays

ERROR_LENGTH = 200


@dataclass(frozen=True)
class Rule:
    """One step of a module's reasoning on one alert, for people to read."""

    text: str
    outcome: str


@dataclass(frozen=True)
class ModuleAlerts(ArrowColumns):
    """A batch of alerts as a module sees it: its declared inputs alone.

    Attributes
    ----------
    lightcurves
        Light curves of all alerts, for modules with the input ``lightcurve``.
    absent
        Inputs that this survey does not have; they are null everywhere.
    """

    lightcurves: LightCurves
    absent: frozenset[str]

    def has(self, name: str) -> bool:
        """Whether the survey knows this quantity at all."""
        return name not in self.absent

    def slice(self, start: int, stop: int) -> ModuleAlerts:
        """Alerts ``start:stop`` alone."""
        arrays = slice_arrays(self.arrays, start, stop)
        return ModuleAlerts(arrays, stop - start, self.lightcurves.slice(start, stop), self.absent)


class Module(ABC):
    """Base of all science modules.

    Attributes
    ----------
    name
        Column that the module adds.
    version
        Changes whenever the same alert could get another value.
    inputs
        What `compute` reads: columns of the science table (``mag``), other modules' columns
        (``real_bogus.is_real``), quantities of `broker.surveys.base.QUANTITIES` (``drb``), fields
        of the packet (``candidate.classtar``), or ``lightcurve``.
    output
        Arrow struct; every field has a unit and a meaning (see `column`).
    spread
        The output's fields become columns of their own; only for built-in modules.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    output: pa.StructType
    spread: ClassVar[bool] = False

    def __init__(self, survey: str, settings: ScienceSettings) -> None:
        self.survey = survey
        self.settings = settings

    @classmethod
    def runs_on(cls, survey: str) -> bool:  # noqa: ARG003 (most modules run on every survey)
        """Whether the module can run on a survey's alerts; where not, it is off."""
        return True

    def load(self) -> None:  # noqa: B027 (most modules have nothing to load)
        """Load models; called once per worker process, before the first `compute`."""

    @abstractmethod
    def compute(self, alerts: ModuleAlerts) -> pa.StructArray:
        """One `output` struct per alert."""

    def explain(self, alerts: ModuleAlerts) -> list[Rule]:  # noqa: ARG002 (not every module has rules)
        """Steps by which `compute` comes to its result, for a batch of one alert."""
        return []

    @final
    def run(self, alerts: ModuleAlerts) -> tuple[pa.StructArray, dict[int, str]]:
        """Compute a batch; alerts on which the module raises get nulls and an error.

        Returns
        -------
        values
            Struct array of type `output`, shape (n_rows,).
        errors
            Position of an alert → what was raised on it alone.
        """
        if alerts.n_rows == 0:
            return pa.nulls(0, self.output), {}
        try:
            with np.errstate(all="ignore"):
                return self._checked(self.compute(alerts), alerts.n_rows), {}
        # Whatever a module raises concerns the module, not the stream; the ledger counts it.
        except Exception as error:  # noqa: BLE001
            if alerts.n_rows == 1:
                message = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
                return pa.nulls(1, self.output), {0: message}
        return self._run_halves(alerts)

    def _run_halves(self, alerts: ModuleAlerts) -> tuple[pa.StructArray, dict[int, str]]:
        middle = alerts.n_rows // 2
        first, first_errors = self.run(alerts.slice(0, middle))
        second, second_errors = self.run(alerts.slice(middle, alerts.n_rows))
        shifted = {middle + position: error for position, error in second_errors.items()}
        return pa.concat_arrays([first, second]), first_errors | shifted

    def _checked(self, values: pa.StructArray, n_rows: int) -> pa.StructArray:
        if values.type != self.output or len(values) != n_rows:
            raise TypeError(
                f"module {self.name} gave {len(values)} rows of {values.type}; "
                f"declared are {n_rows} of {self.output}"
            )
        return values
