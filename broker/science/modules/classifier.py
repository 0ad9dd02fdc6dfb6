"""classifier: probability of a type Ia supernova, from the light curve alone.

The model (see `broker.science.classifier.model` and the card in its folder) sees the positive
detections in its survey's bands, no limits and nothing of the host. Where it has no score,
`reason` says why.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from broker.science.classifier.features.detections import Detections, positive_detections
from broker.science.classifier.model import (
    KNOWN_SOLAR_SYSTEM,
    LONG_LIVED,
    MANY_DETECTIONS,
    MAX_DAYS,
    MIN_POINTS,
    NOT_REAL,
    REASONS,
    SCORED,
    declared_model,
    light_curve_reasons,
    load_model,
)
from broker.science.engine.arrow import to_struct
from broker.science.engine.module import Module, ModuleAlerts, Rule
from broker.science.lightcurves.build import LightCurves
from broker.settings import ScienceSettings
from broker.surveys import get_survey
from broker.surveys.arrow_columns import Bools, Ints
from broker.surveys.photometry import DETECTION
from broker.tables.declaration import column
from broker.units import Floats

_UNKNOWN = -1


class Classifier(Module):
    """Class probabilities from the light curve; null with a reason where there are none."""

    name: ClassVar[str] = "classifier"
    version: ClassVar[str] = "1.0"
    inputs: ClassVar[tuple[str, ...]] = (
        *("lightcurve", "n_detections", "age_days"),
        *("real_bogus.is_real", "solar_system.is_known"),
    )

    def __init__(self, survey: str, settings: ScienceSettings) -> None:
        super().__init__(survey, settings)
        self.output = output_type(survey)

    @classmethod
    def runs_on(cls, survey: str) -> bool:
        """Only where the survey has a model."""
        return get_survey(survey).classifier is not None

    def load(self) -> None:
        """Load the survey's model."""
        load_model(self.survey)

    def compute(self, alerts: ModuleAlerts) -> pa.StructArray:
        """Score the alerts that no reason speaks against."""
        points = positive_detections(alerts.lightcurves, declared_model(self.survey).bands)
        return score_detections(points, self._reasons(alerts, points), self.survey)

    def explain(self, alerts: ModuleAlerts) -> list[Rule]:
        """What the model may see, and each reason not to score."""
        points = positive_detections(alerts.lightcurves, declared_model(self.survey).bands)
        reason = int(self._reasons(alerts, points)[0])
        counts = np.bincount(points.band, minlength=points.n_bands)
        bands = zip(declared_model(self.survey).bands, counts, strict=True)
        days = _oldest_positive_days(alerts.lightcurves)[0]
        return [
            Rule(
                f"≥ {MIN_POINTS} positive detections in the model's bands",
                ", ".join(f"{count} {band}" for band, count in bands),
            ),
            Rule(f"oldest positive detection ≤ {MAX_DAYS:g} d ago", f"{days:.4g} d"),
            Rule("real_bogus.is_real is not false", str(alerts.arrays["real_bogus.is_real"][0])),
            Rule(
                "solar_system.is_known is not true",
                str(alerts.arrays["solar_system.is_known"][0]),
            ),
            Rule("scored by", load_model(self.survey).name if reason == SCORED else "nobody"),
        ]

    def _reasons(self, alerts: ModuleAlerts, points: Detections) -> Ints:
        reason = light_curve_reasons(points, _oldest_positive_days(alerts.lightcurves))
        many = alerts.integers("n_detections", 0) > MANY_DETECTIONS
        reason[many & (alerts.floats("age_days") > MAX_DAYS)] = LONG_LIVED
        reason[_is_false(alerts, "real_bogus.is_real")] = NOT_REAL
        reason[alerts.is_true("solar_system.is_known")] = KNOWN_SOLAR_SYSTEM
        return reason


def output_type(survey: str) -> pa.StructType:
    """Struct that the module and ``nightjar classify`` yield; its classes are the model's.

    Without a model there are no ``probabilities``: a struct without fields cannot be stored.
    """
    declared = get_survey(survey).classifier
    classes = declared.classes if declared is not None else ()
    kinds = [column(c, pa.float64(), "", f"probability of {c}") for c in classes]
    probabilities = column("probabilities", pa.struct(kinds), "", "of each class; they add up to 1")
    return pa.struct(
        [
            column("score", pa.float64(), "", "P(SN Ia) at the training mix of classes"),
            column("label", pa.string(), "", "most probable class"),
            *([probabilities] if kinds else []),
            column("model", pa.string(), "", "model that was asked; its card tells its limits"),
            column("n_points", pa.int32(), "", "positive detections in the model's bands"),
            column("reason", pa.string(), "", f"why no score: {', '.join(REASONS[1:])}"),
        ]
    )


def score_detections(points: Detections, reason: Ints, survey: str) -> pa.StructArray:
    """Score light curves: the same numbers in the stream, in batch and on the command line.

    Parameters
    ----------
    reason
        Position in `REASONS` of each object, 0 where it is to be scored.
    """
    model, n_objects = load_model(survey), points.n_objects
    probabilities = np.full((n_objects, len(model.classes)), np.nan)
    scored = np.flatnonzero(reason == SCORED)
    probabilities[scored] = model.probabilities(points.take(scored))
    valid = reason == SCORED
    output = output_type(survey)
    best = np.where(valid, np.argmax(np.nan_to_num(probabilities), axis=1), _UNKNOWN)
    kinds = output.field("probabilities").type
    by_class = {name: probabilities[:, k] for k, name in enumerate(model.classes)}
    columns = {
        "score": probabilities[:, 0],
        "label": _words(best, model.classes),
        "probabilities": to_struct(kinds, by_class, valid),
        "model": pa.array([model.name] * n_objects, pa.string()),
        "n_points": points.counts,
        "reason": _words(np.where(valid, _UNKNOWN, reason), REASONS),
    }
    return to_struct(output, columns)


def _oldest_positive_days(curves: LightCurves) -> Floats:
    """First positive detection in any band to this alert, days; NaN without one."""
    positive = (curves.kind == DETECTION) & (curves.sign > 0)
    owner, before = curves.owner[positive], curves.days_before[positive]
    age = np.full(curves.n_alerts, np.nan)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    age[owner[first]] = -before[first]
    return age


def _is_false(alerts: ModuleAlerts, name: str) -> Bools:
    values = alerts.arrays[name]
    if not pa.types.is_boolean(values.type):
        return np.zeros(alerts.n_rows, dtype=bool)
    return np.asarray(~values.fill_null(True).to_numpy(zero_copy_only=False))


def _words(codes: Ints, words: tuple[str, ...]) -> pa.StringArray:
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string())).dictionary_decode()
