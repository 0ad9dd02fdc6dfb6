"""real_bogus: whether the detection is real, by the survey's own classifier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.functions import pandas_udf  # type: ignore[attr-defined]

from broker.science.engine.declaration import Rule, default_setting, science_module, spark_type
from broker.science.engine.series import ModuleAlerts
from broker.science.engine.to_arrow import named
from broker.tables.declaration import column
from broker.units import Floats

OUTPUT = pa.struct(
    [
        column("score", pa.float64(), "", "probability-like score, 0 bogus to 1 real"),
        column("source", pa.string(), "", "classifier of the score: drb, rb or reliability"),
        column("threshold", pa.float64(), "", "real from this score on (settings)"),
        column("is_real", pa.bool_(), "", "score ≥ threshold"),
    ]
)
_SOURCES = ("drb", "rb", "reliability")
_DRB, _RB = default_setting("drb_threshold"), default_setting("rb_threshold")
_RELIABILITY = default_setting("reliability_threshold")


def _explain(*inputs: pd.Series) -> list[Rule]:
    """Each classifier's score, in the order of preference."""
    alerts = _alerts(*inputs)
    rules = zip(_SOURCES, _thresholds(alerts), _scores(alerts), strict=True)
    return [
        Rule(
            f"{name} (real from {threshold[0]:g} on)",
            "none" if np.isnan(score[0]) else f"{score[0]:g}",
        )
        for name, threshold, score in rules
    ]


@science_module(
    version="1.0",
    inputs=(
        *("drb", "drbversion", "rb", "reliability"),
        *("=science.drb_threshold", "=science.rb_threshold", "=science.reliability_threshold"),
    ),
    output=OUTPUT,
    explain=_explain,
)
@pandas_udf(spark_type(OUTPUT))
def real_bogus(
    drb: pd.Series,
    drbversion: pd.Series,
    rb: pd.Series,
    reliability: pd.Series,
    drb_threshold: pd.Series = _DRB,
    rb_threshold: pd.Series = _RB,
    reliability_threshold: pd.Series = _RELIABILITY,
) -> pd.DataFrame:
    """The survey's score, which of its classifiers gave it, and the verdict at our threshold.

    ZTF: drb (Duev et al. 2019) where that network ran, else rb (Mahabal et al. 2019); LSST:
    reliability; ELAsTiCC has none.
    """
    thresholds = (drb_threshold, rb_threshold, reliability_threshold)
    alerts = _alerts(drb, drbversion, rb, reliability, *thresholds)
    score, threshold = np.full((2, alerts.n_rows), np.nan)
    source = np.full(alerts.n_rows, -1, dtype=np.int8)
    ranked = zip(_scores(alerts), _thresholds(alerts), strict=True)
    for code, (values, limit) in enumerate(ranked):
        fill = np.isnan(score) & ~np.isnan(values)
        score[fill], source[fill] = values[fill], code
        threshold[fill] = np.broadcast_to(limit, fill.shape)[fill]
    columns = {
        "score": score,
        "source": named(source, _SOURCES),
        "threshold": threshold,
        "is_real": pa.array(score >= threshold, mask=np.isnan(score)),
    }
    return alerts.frame(OUTPUT, columns)


def _alerts(*inputs: pd.Series) -> ModuleAlerts:
    names = ("drb", "drbversion", "rb", "reliability", *(f"{name}_threshold" for name in _SOURCES))
    return ModuleAlerts.of(dict(zip(names, inputs, strict=True)))


def _scores(alerts: ModuleAlerts) -> tuple[Floats, ...]:
    """Scores of the three classifiers; NaN where one gave none."""
    # Where drbversion is empty, drb is a filler, not a score.
    network_ran = ~alerts.is_one_of("drbversion", ("",))
    drb = np.where(network_ran, alerts.floats("drb"), np.nan)
    scores = (drb, alerts.floats("rb"), alerts.floats("reliability"))
    return tuple(np.where((s >= 0) & (s <= 1), s, np.nan) for s in scores)


def _thresholds(alerts: ModuleAlerts) -> tuple[Floats, ...]:
    return tuple(alerts.floats(f"{name}_threshold") for name in _SOURCES)
