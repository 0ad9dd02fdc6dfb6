"""The classifier: when it scores, that null is never 0, and that batches change nothing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from broker.errors import InputError
from broker.science.classifier.model import declared_model, read_model
from broker.science.engine.series import on_arrow
from broker.science.engine.to_arrow import named, positive, to_lists
from broker.science.lightcurves.build import LightCurves
from broker.science.modules import classifier_of
from broker.surveys.photometry import BANDS, DETECTION, FORCED, KINDS, UPPER_LIMIT
from broker.units import flux_err_from_mag, flux_from_mag

Rows = list[dict[str, object]]


def light_curves(n_alerts: int, seed: int = 1, days: float = 25.0) -> LightCurves:
    """Alerts with 4 to 14 positive detections in g and r, the last one their own."""
    random = np.random.default_rng(seed)
    counts = random.integers(4, 15, n_alerts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    mjd = np.concatenate([np.sort(59000 + random.uniform(0, days, n)) for n in counts])
    mag = random.uniform(17.5, 20, len(mjd))
    flux = flux_from_mag(mag)
    n = len(mjd)
    is_this = np.zeros(n, dtype=bool)
    is_this[offsets[1:] - 1] = True
    return LightCurves(
        offsets=offsets,
        mjd=mjd,
        band=random.integers(1, 3, n).astype(np.int8),
        kind=np.full(n, DETECTION, dtype=np.int8),
        flux_njy=flux,
        flux_err_njy=flux_err_from_mag(flux, np.full(n, 0.1)),
        mag=mag,
        mag_err=np.full(n, 0.1),
        mag_limit=np.full(n, np.nan),
        sign=np.ones(n, dtype=np.int8),
        alert_id=np.arange(n),
        real_bogus=np.full(n, np.nan),
        is_this=is_this,
    )


def alerts(curves: LightCurves, **columns: list[object]) -> list[pd.Series]:
    """Arguments of the module, as Series on Arrow."""
    n = curves.n_alerts
    points = {
        "mjd": pa.array(curves.mjd),
        "band": named(curves.band, BANDS),
        "flux_njy": pa.array(curves.flux_njy),
        "flux_err_njy": pa.array(curves.flux_err_njy),
        "is_positive": positive(curves.sign),
        "kind": named(curves.kind, KINDS),
    }
    arrays = [
        *(to_lists(curves.offsets, values) for values in points.values()),
        pa.array(curves.mjd[curves.this]),
        pa.array(columns.get("n_detections", [5] * n), pa.int32()),
        pa.array(columns.get("age_days", [20.0] * n), pa.float64()),
        pa.array(columns.get("is_real", [True] * n), pa.bool_()),
        pa.array(columns.get("is_known", [False] * n), pa.bool_()),
    ]
    return [on_arrow(array) for array in arrays]


def part(batch: list[pd.Series], start: int, stop: int) -> list[pd.Series]:
    return [series.iloc[start:stop] for series in batch]


def scores(batch: list[pd.Series], survey: str = "ztf") -> Rows:
    found = classifier_of(survey).func(*batch)
    rows: Rows = pa.Table.from_pandas(found, preserve_index=False).to_pylist()
    return rows


def keep_points(curves: LightCurves, mask: np.ndarray) -> LightCurves:
    counts = np.bincount(curves.owner[mask], minlength=curves.n_alerts)
    columns = {f.name: getattr(curves, f.name)[mask] for f in fields(curves)[1:]}
    return LightCurves(np.concatenate([[0], np.cumsum(counts)]), **columns)


@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_probabilities_add_up_and_the_label_is_the_largest(survey: str) -> None:
    for row in scores(alerts(light_curves(50)), survey):
        probabilities = row["probabilities"]
        assert isinstance(probabilities, dict)
        assert tuple(probabilities) == declared_model(survey).classes
        assert sum(probabilities.values()) == pytest.approx(1.0)
        assert row["score"] == probabilities["sn_ia"]
        assert row["label"] == max(probabilities, key=probabilities.__getitem__)
        assert row["model"] == f"{survey}_1"
        assert row["reason"] is None


def test_scores_depend_on_nothing_but_the_alert() -> None:
    batch = alerts(light_curves(120, seed=2))
    together = scores(batch)
    alone = [scores(part(batch, k, k + 1))[0] for k in range(120)]
    halves = scores(part(batch, 0, 77)) + scores(part(batch, 77, 120))
    assert together == alone == halves


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"is_known": [True]}, "known_solar_system"),
        ({"is_real": [False]}, "not_real"),
        ({"n_detections": [201], "age_days": [401.0]}, "long_lived"),
        ({"n_detections": [200], "age_days": [4000.0]}, None),
        ({"n_detections": [2000], "age_days": [400.0]}, None),
        ({"is_real": [None], "is_known": [None]}, None),
        ({"n_detections": [None], "age_days": [None]}, None),
    ],
)
def test_the_packets_own_facts_can_forbid_a_score(
    columns: dict[str, list[object]], reason: str | None
) -> None:
    (row,) = scores(alerts(light_curves(1), **columns))
    assert row["reason"] == reason
    assert (row["score"] is None) == (reason is not None)
    assert (row["label"] is None) == (reason is not None)
    assert (row["probabilities"] is None) == (reason is not None)


def test_positive_detections_older_than_400_days_forbid_a_score() -> None:
    curves = light_curves(1)
    old = replace(curves, mjd=np.where(np.arange(len(curves.mjd)) == 0, 58500.0, curves.mjd))
    assert scores(alerts(old))[0]["reason"] == "long_lived"
    negative = replace(old, sign=np.where(old.mjd == 58500.0, -1, 1).astype(np.int8))
    assert scores(alerts(negative))[0]["reason"] is None


def test_numpy_series_as_spark_gives_them_score_as_those_on_arrow() -> None:
    batch = alerts(light_curves(40, seed=4))
    plain = [pa.array(series).to_pandas() for series in batch]
    assert {series.dtype.kind for series in plain} == {"O", "f", "i", "b"}
    assert scores(plain) == scores(batch)


def test_fewer_than_three_positive_detections_forbid_a_score() -> None:
    curves = light_curves(1)
    mask = np.arange(len(curves.mjd)) >= len(curves.mjd) - 2
    (row,) = scores(alerts(keep_points(curves, mask)))
    assert row == {
        **{"score": None, "label": None, "probabilities": None, "model": "ztf_1"},
        **{"n_points": 2, "reason": "too_few_points"},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"sign": -1},
        {"kind": UPPER_LIMIT},
        {"kind": FORCED},
        {"band": 3},
        {"band": -1},
    ],
)
def test_the_model_sees_positive_detections_in_its_bands_alone(change: dict[str, int]) -> None:
    curves = light_curves(20, seed=3)
    ignored = (np.arange(len(curves.mjd)) % 5 == 0) & ~curves.is_this
    ((name, value),) = change.items()
    column = np.where(ignored, value, getattr(curves, name)).astype(np.int8)
    changed = replace(curves, **{name: column})
    assert scores(alerts(changed)) == scores(alerts(keep_points(curves, ~ignored)))


def test_explain_says_which_model_scored_and_what_it_saw() -> None:
    explain = classifier_of("ztf").declaration.explain
    assert explain is not None
    rules = explain(*alerts(light_curves(1)))
    assert rules[-1].outcome == "ztf_1"
    assert " g, " in rules[0].outcome


def test_a_missing_model_names_the_job_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train_classifier"):
        read_model(tmp_path, "ztf")


def test_the_module_can_be_declared_without_loading_lightgbm() -> None:
    code = (
        "import sys; from broker.science.modules import classifier; "
        "classifier.declaration.output; sys.exit('lightgbm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
