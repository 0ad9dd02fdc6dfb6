"""classifier: probability of a type Ia supernova, from the light curve alone.

The model (see `broker.science.classifier.model` and the card in its folder) sees the positive
detections in its survey's bands, no limits and nothing of the host. Where it has no score,
`reason` says why.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.functions import pandas_udf  # type: ignore[attr-defined]

from broker.science.classifier.features.detections import (
    Detections,
    FluxCurves,
    positive_detections,
)
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
from broker.science.engine.declaration import Rule, ScienceModule, science_module, spark_type
from broker.science.engine.series import ModuleAlerts
from broker.science.engine.to_arrow import to_struct
from broker.surveys import get_survey
from broker.surveys.arrow_columns import Ints
from broker.surveys.photometry import BANDS, DETECTION, KINDS
from broker.tables.declaration import column
from broker.units import Floats

_INPUTS = (
    *("lightcurve.mjd", "lightcurve.band", "lightcurve.flux_njy", "lightcurve.flux_err_njy"),
    *("lightcurve.is_positive", "lightcurve.kind", "mjd", "n_detections", "age_days"),
    *("real_bogus.is_real", "solar_system.is_known"),
)
_UNKNOWN = -1


@cache
def classifier_of(survey: str) -> ScienceModule:
    """The module with a survey's model: its classes make the type of the result."""

    def explain(*inputs: pd.Series) -> list[Rule]:
        return _explain(survey, *inputs)

    def load() -> None:
        load_model(survey)

    @science_module(
        version="1.0",
        inputs=_INPUTS,
        output=output_type(survey),
        explain=explain,
        load=load,
    )
    @pandas_udf(spark_type(output_type(survey)))
    def classifier(
        mjds: pd.Series,
        bands: pd.Series,
        fluxes_njy: pd.Series,
        flux_errs_njy: pd.Series,
        are_positive: pd.Series,
        kinds: pd.Series,
        mjd: pd.Series,
        n_detections: pd.Series,
        age_days: pd.Series,
        is_real: pd.Series,
        is_known: pd.Series,
    ) -> pd.DataFrame:
        """Class probabilities from the light curve; null with a reason where there are none."""
        points = (mjds, bands, fluxes_njy, flux_errs_njy, are_positive, kinds)
        alerts = _alerts(*points, mjd, n_detections, age_days, is_real, is_known)
        detections = _detections(survey, alerts)
        reasons = _reasons(alerts, detections)
        return alerts.to_frame(score_detections(detections, reasons, survey))

    return classifier


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


def _detections(survey: str, alerts: ModuleAlerts) -> Detections:
    curves = FluxCurves(
        offsets=alerts.offsets("mjds"),
        owner=alerts.owners("mjds"),
        mjd=alerts.floats("mjds"),
        band=alerts.index_in("bands", BANDS),
        kind=alerts.index_in("kinds", KINDS),
        sign=alerts.signs("are_positive"),
        flux_njy=alerts.floats("fluxes_njy"),
        flux_err_njy=alerts.floats("flux_errs_njy"),
    )
    return positive_detections(curves, declared_model(survey).bands)


def _alerts(*inputs: pd.Series) -> ModuleAlerts:
    lists = ("mjds", "bands", "fluxes_njy", "flux_errs_njy", "are_positive", "kinds")
    others = ("mjd", "n_detections", "age_days", "is_real", "is_known")
    return ModuleAlerts.of(dict(zip((*lists, *others), inputs, strict=True)), lists)


def _reasons(alerts: ModuleAlerts, points: Detections) -> Ints:
    reason = light_curve_reasons(points, _oldest_positive_days(alerts))
    many = alerts.integers("n_detections", 0) > MANY_DETECTIONS
    reason[many & (alerts.floats("age_days") > MAX_DAYS)] = LONG_LIVED
    reason[alerts.signs("is_real") < 0] = NOT_REAL
    reason[alerts.is_true("is_known")] = KNOWN_SOLAR_SYSTEM
    return reason


def _oldest_positive_days(alerts: ModuleAlerts) -> Floats:
    """First positive detection in any band to this alert, days; NaN without one."""
    is_detection = alerts.index_in("kinds", KINDS) == DETECTION
    positive = np.flatnonzero(is_detection & (alerts.signs("are_positive") > 0))
    owner = alerts.owners("mjds")[positive]
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    age = np.full(alerts.n_rows, np.nan)
    alert = owner[first]
    age[alert] = alerts.floats("mjd")[alert] - alerts.floats("mjds")[positive[first]]
    return age


def _explain(survey: str, *inputs: pd.Series) -> list[Rule]:
    """What the model may see, and each reason not to score."""
    alerts, names = _alerts(*inputs), declared_model(survey).bands
    points = _detections(survey, alerts)
    reason = int(_reasons(alerts, points)[0])
    counts = zip(names, np.bincount(points.band, minlength=points.n_bands), strict=True)
    return [
        Rule(
            f"≥ {MIN_POINTS} positive detections in the model's bands",
            ", ".join(f"{count} {band}" for band, count in counts),
        ),
        Rule(
            f"oldest positive detection ≤ {MAX_DAYS:g} d ago",
            f"{_oldest_positive_days(alerts)[0]:.4g} d",
        ),
        Rule("real_bogus.is_real is not false", str(alerts.arrays["is_real"][0])),
        Rule("solar_system.is_known is not true", str(alerts.arrays["is_known"][0])),
        Rule("scored by", load_model(survey).name if reason == SCORED else "nobody"),
    ]


def _words(codes: Ints, words: tuple[str, ...]) -> pa.StringArray:
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string())).dictionary_decode()


classifier = classifier_of("ztf")
"""The module with ZTF's model."""
