"""real_bogus: whether the detection is real, by the survey's own classifier."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from broker.science.engine.arrow import named, to_struct
from broker.science.engine.module import Module, ModuleAlerts, Rule
from broker.surveys.arrow_columns import Bools
from broker.tables.declaration import column
from broker.units import Floats

_SOURCES = ("drb", "rb", "reliability")


class RealBogus(Module):
    """The survey's score, which of its classifiers gave it, and the verdict at our threshold.

    ZTF: drb (Duev et al. 2019) where that network ran, else rb (Mahabal et al. 2019); LSST:
    reliability; ELAsTiCC has none.
    """

    name: ClassVar[str] = "real_bogus"
    version: ClassVar[str] = "1.0"
    inputs: ClassVar[tuple[str, ...]] = ("drb", "drbversion", "rb", "reliability")
    output = pa.struct(
        [
            column("score", pa.float64(), "", "probability-like score, 0 bogus to 1 real"),
            column("source", pa.string(), "", "classifier of the score: drb, rb or reliability"),
            column("threshold", pa.float64(), "", "real from this score on (settings)"),
            column("is_real", pa.bool_(), "", "score ≥ threshold"),
        ]
    )

    def compute(self, alerts: ModuleAlerts) -> pa.StructArray:
        """Take the first classifier that gave a score."""
        score = np.full(alerts.n_rows, np.nan)
        source = np.full(alerts.n_rows, -1, dtype=np.int8)
        for code, values in enumerate(self._scores(alerts)):
            fill = np.isnan(score) & ~np.isnan(values)
            score[fill], source[fill] = values[fill], code
        threshold = np.append(self._thresholds(), np.nan)[source]
        known = ~np.isnan(score)
        columns = {
            "score": score,
            "source": named(source, _SOURCES),
            "threshold": threshold,
            "is_real": pa.array(score >= threshold, mask=~known),
        }
        return to_struct(self.output, columns)

    def explain(self, alerts: ModuleAlerts) -> list[Rule]:
        """Each classifier's score, in the order of preference."""
        return [
            Rule(f"{name} (real from {threshold:g} on)", "none" if np.isnan(v[0]) else f"{v[0]:g}")
            for name, threshold, v in zip(
                _SOURCES, self._thresholds(), self._scores(alerts), strict=True
            )
        ]

    def _scores(self, alerts: ModuleAlerts) -> tuple[Floats, ...]:
        drb = np.where(_network_ran(alerts), alerts.floats("drb"), np.nan)
        scores = (drb, alerts.floats("rb"), alerts.floats("reliability"))
        return tuple(np.where((s >= 0) & (s <= 1), s, np.nan) for s in scores)

    def _thresholds(self) -> tuple[float, float, float]:
        settings = self.settings
        return settings.drb_threshold, settings.rb_threshold, settings.reliability_threshold


def _network_ran(alerts: ModuleAlerts) -> Bools:
    """False where drbversion is empty: drb is a filler there, not a score."""
    return ~alerts.is_one_of("drbversion", ("",))
