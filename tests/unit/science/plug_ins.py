"""Modules as somebody else's package would bring them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from broker.science.engine.arrow import to_struct
from broker.science.engine.module import Module, ModuleAlerts
from broker.tables.declaration import column


class Faint(Module):
    """Whether an alert is fainter than its field's real ones."""

    name: ClassVar[str] = "faint"
    version: ClassVar[str] = "0.1"
    inputs: ClassVar[tuple[str, ...]] = ("mag", "real_bogus.is_real", "candidate.field")
    output = pa.struct(
        [
            column("is_faint", pa.bool_(), "", "real and fainter than 19.5 mag"),
            column("field", pa.int64(), "", "ZTF field"),
        ]
    )

    def compute(self, alerts: ModuleAlerts) -> pa.StructArray:
        is_faint = alerts.is_true("real_bogus.is_real") & (alerts.floats("mag") > 19.5)
        field = alerts.integers("candidate.field", -1)
        return to_struct(self.output, {"is_faint": is_faint, "field": field})


class Picky(Module):
    """Raises on alerts at southern galactic latitudes."""

    name: ClassVar[str] = "picky"
    version: ClassVar[str] = "0.1"
    inputs: ClassVar[tuple[str, ...]] = ("gal_lat_deg",)
    output = pa.struct([column("latitude", pa.float64(), "deg", "galactic latitude, northern")])

    def compute(self, alerts: ModuleAlerts) -> pa.StructArray:
        latitude = alerts.floats("gal_lat_deg")
        if (latitude < 0).any():
            raise ValueError(f"{np.count_nonzero(latitude < 0)} alerts are southern")
        return to_struct(self.output, {"latitude": latitude})


class Sloppy(Picky):
    """Returns another type than it declares."""

    name: ClassVar[str] = "sloppy"

    def compute(self, alerts: ModuleAlerts) -> pa.StructArray:
        return pa.nulls(alerts.n_rows, pa.struct([("latitude", pa.string())]))


class Nosy(Faint):
    """Reads a column that it does not declare."""

    name: ClassVar[str] = "nosy"
    inputs: ClassVar[tuple[str, ...]] = ("mag",)


class Lost(Faint):
    """Declares an input that nobody has."""

    name: ClassVar[str] = "lost"
    inputs: ClassVar[tuple[str, ...]] = ("redshift",)


class Misspelt(Faint):
    """Reads a field that another module's column does not have."""

    name: ClassVar[str] = "misspelt"
    inputs: ClassVar[tuple[str, ...]] = ("real_bogus.real",)


class Impostor(Faint):
    """Takes the name of a module that ships with Nightjar."""

    name: ClassVar[str] = "slope"


class Usurper(Faint):
    """Takes the name of a column of the table."""

    name: ClassVar[str] = "night"


class NotAModule:
    """Is no module."""
