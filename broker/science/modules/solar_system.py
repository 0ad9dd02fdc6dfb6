"""solar_system: known asteroids and comets, and candidates for new ones.

`code` is Fink's ``roid`` (fink-science, module asteroids; Carry et al. 2024, A&A 680, A38) where a
survey has all that its rules read, as ZTF has: they read the packet's own values, where −999 is a
number and null counts as −999. Elsewhere it is 3 for a known object and else 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.functions import pandas_udf  # type: ignore[attr-defined]

from broker.science.engine.declaration import Rule, default_setting, science_module, spark_type
from broker.science.engine.series import ModuleAlerts
from broker.science.engine.to_arrow import Values
from broker.surveys import get_survey
from broker.surveys.arrow_columns import Bools, Ints
from broker.tables.declaration import column
from broker.units import Floats

OUTPUT = pa.struct(
    [
        column(
            "code",
            pa.int32(),
            "",
            "3 known object, 2 candidate for an unknown one, 1 seen for the first time, 0 none",
        ),
        column("is_known", pa.bool_(), "", "a known object lies within science.radius_arcsec"),
        column("is_candidate", pa.bool_(), "", "code is 2"),
        column("name", pa.string(), "", "nearest known object"),
        column("distance_arcsec", pa.float64(), "arcsec", "distance to that object"),
        column("predicted_mag", pa.float64(), "mag", "predicted magnitude of that object"),
    ]
)
FIRST_TIME, CANDIDATE, KNOWN = 1, 2, 3
_NULL = -999.0
# Fink's own constants; the setting radius_arcsec is about `is_known` alone.
_STAR_SCORE = 0.76
_RADIUS_ARCSEC = 5.0
_PAIR_DAYS = 30.0 / (24.0 * 60.0)
_NO_NAME = ("null", "")
_ARGUMENTS = (
    *("jd", "magpsf", "prv_jd", "prv_magpsf", "ndethist", "sgscore1", "distpsnr1"),
    *("ssdistnr", "ssmagnr", "ssnamenr", "ss_object_id"),
)
_ZTF = pd.Series(["ztf"])
_RADIUS = default_setting("radius_arcsec")


def _explain(*inputs: pd.Series) -> list[Rule]:
    """Every rule of the code, in order, and whether it applies."""
    alerts = _alerts(*inputs)
    if not _survey_has(alerts, "ssdistnr"):
        return []
    rules = [
        Rule(text, f"yes → code {code}" if applies[0] else "no")
        for text, applies, code in (_fink_rules(alerts) if _has_fink_inputs(alerts) else [])
    ]
    radius = f"0 ≤ ssdistnr < {alerts.floats('radius_arcsec')[0]:g}″"
    return [*rules, Rule(f"is_known: {radius}", "yes" if _is_known(alerts)[0] else "no")]


@science_module(
    version="1.0",
    inputs=(*_ARGUMENTS, "survey", "=science.radius_arcsec"),
    output=OUTPUT,
    explain=_explain,
)
@pandas_udf(spark_type(OUTPUT))
def solar_system(
    jd: pd.Series,
    magpsf: pd.Series,
    prv_jd: pd.Series,
    prv_magpsf: pd.Series,
    ndethist: pd.Series,
    sgscore1: pd.Series,
    distpsnr1: pd.Series,
    ssdistnr: pd.Series,
    ssmagnr: pd.Series,
    ssnamenr: pd.Series,
    ss_object_id: pd.Series,
    survey: pd.Series = _ZTF,
    radius_arcsec: pd.Series = _RADIUS,
) -> pd.DataFrame:
    """Fink's code and the survey's own match with known objects.

    ``prv_jd`` and ``prv_magpsf`` are lists: the history in the packet's order. All rows of a call
    are of one survey; for a survey without a solar system all is null.
    """
    star = (sgscore1, distpsnr1, ssdistnr, ssmagnr, ssnamenr, ss_object_id)
    alerts = _alerts(jd, magpsf, prv_jd, prv_magpsf, ndethist, *star, survey, radius_arcsec)
    if _survey_has(alerts, "ssdistnr"):
        return alerts.frame(OUTPUT, _from_distances(alerts))
    if _survey_has(alerts, "ss_object_id"):
        return alerts.frame(OUTPUT, _from_survey(alerts))
    return alerts.frame(OUTPUT, {f.name: pa.nulls(alerts.n_rows, f.type) for f in OUTPUT})


def _alerts(*inputs: pd.Series) -> ModuleAlerts:
    names = (*_ARGUMENTS, "survey", "radius_arcsec")
    named = dict(zip(names, inputs, strict=True))
    return ModuleAlerts.of(named, lists=("prv_jd", "prv_magpsf"))


def _survey_has(alerts: ModuleAlerts, quantity: str) -> bool:
    names = alerts.strings("survey").unique().to_pylist()
    if len(names) > 1:
        raise ValueError(f"rows of several surveys in one call: {', '.join(map(str, names))}")
    return all(quantity in get_survey(name).science.quantities for name in names)


def _from_distances(alerts: ModuleAlerts) -> Mapping[str, Values]:
    is_known = _is_known(alerts)
    code = _fink_codes(alerts) if _has_fink_inputs(alerts) else np.where(is_known, KNOWN, 0)
    distance, predicted = alerts.floats("ssdistnr"), alerts.floats("ssmagnr")
    matched = distance >= 0
    nameless = ~matched | alerts.is_one_of("ssnamenr", _NO_NAME)
    no_name = pa.scalar(None, pa.string())
    return {
        "code": code,
        "is_known": is_known,
        "is_candidate": code == CANDIDATE,
        "name": pc.if_else(pa.array(nameless), no_name, alerts.strings("ssnamenr")),
        "distance_arcsec": np.where(matched, distance, np.nan),
        "predicted_mag": np.where(matched & (predicted > -99), predicted, np.nan),
    }


def _from_survey(alerts: ModuleAlerts) -> Mapping[str, Values]:
    name = alerts.strings("ss_object_id")
    known = np.asarray(name.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    missing = np.full(alerts.n_rows, np.nan)
    return {
        "code": np.where(known, KNOWN, 0),
        "is_known": known,
        "is_candidate": np.zeros(alerts.n_rows, dtype=bool),
        "name": name,
        "distance_arcsec": missing,
        "predicted_mag": missing,
    }


def _is_known(alerts: ModuleAlerts) -> Bools:
    # 0.0 is a match, and the commonest one.
    distance = alerts.floats("ssdistnr")
    return np.asarray((distance >= 0) & (distance < alerts.floats("radius_arcsec")))


def _has_fink_inputs(alerts: ModuleAlerts) -> bool:
    """Whether the survey has all that Fink's rules read; else only the distance counts."""
    return all(_survey_has(alerts, name) for name in _ARGUMENTS if name != "ss_object_id")


def _fink_codes(alerts: ModuleAlerts) -> Ints:
    code = np.zeros(alerts.n_rows, dtype=np.int64)
    for _, applies, value in _fink_rules(alerts):
        code[applies] = value
    return code


def _fink_rules(alerts: ModuleAlerts) -> list[tuple[str, Bools, int]]:
    """Rules in Fink's order, text, where they apply, code; a later one overwrites."""
    ndethist = alerts.integers("ndethist", int(_NULL))
    star_score, star_distance = _numbers(alerts, "sgscore1"), _numbers(alerts, "distpsnr1")
    distance = _numbers(alerts, "ssdistnr")
    detections = _count_detections(alerts)
    known = (distance >= 0) & (distance < _RADIUS_ARCSEC) & (np.abs(star_distance) > distance)
    return [
        ("1. ndethist = 1", ndethist == 1, FIRST_TIME),
        (
            "2. sgscore1 < 0.76 and ndethist ≤ 2",
            (star_score < _STAR_SCORE) & (ndethist <= 2),
            CANDIDATE,
        ),
        ("3. 0 < distpsnr1 < 5″", (star_distance > 0) & (star_distance < _RADIUS_ARCSEC), 0),
        (
            "4. nal = 2 and the last two epochs > 30 min apart",
            (detections == 2) & (_days_since_last_epoch(alerts) > _PAIR_DAYS),
            0,
        ),
        ("5. ndethist = 2 and nal = 1", (ndethist == 2) & (detections == 1), 0),
        (
            "6. 0 ≤ ssdistnr < 5″, |distpsnr1| > ssdistnr, ndethist ≤ 5, nal ≤ 5",
            known & (ndethist <= 5) & (detections <= 5),
            KNOWN,
        ),
    ]


def _numbers(alerts: ModuleAlerts, name: str) -> Floats:
    values = alerts.floats(name)
    return np.where(np.isnan(values), _NULL, values)


def _count_detections(alerts: ModuleAlerts) -> Ints:
    """`nal`: entries with a magnitude in the history, and this alert."""
    seen = alerts.owners("prv_magpsf")[~np.isnan(alerts.floats("prv_magpsf"))]
    count = np.bincount(seen, minlength=alerts.n_rows)
    return np.asarray(count + ~np.isnan(alerts.floats("magpsf")))


def _days_since_last_epoch(alerts: ModuleAlerts) -> Floats:
    """Days from the last history entry, in packet order, to this alert; NaN without a history."""
    lengths = alerts.lengths("prv_jd")
    last = np.full(alerts.n_rows, np.nan)
    filled = lengths > 0
    last[filled] = alerts.floats("prv_jd")[np.cumsum(lengths)[filled] - 1]
    return np.asarray(np.abs(alerts.floats("jd") - last))
