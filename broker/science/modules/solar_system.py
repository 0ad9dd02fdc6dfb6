"""solar_system: known asteroids and comets, and candidates for new ones.

`code` is Fink's ``roid`` (fink-science, module asteroids; Carry et al. 2024, A&A 680, A38) where a
survey has all that its rules read, as ZTF has: they read the packet's own values, where −999 is a
number and null counts as −999. Elsewhere it is 3 for a known object and else 0.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker.science.engine.arrow import to_struct
from broker.science.engine.module import Module, ModuleAlerts, Rule
from broker.surveys.arrow_columns import Bools, Ints
from broker.tables.declaration import column
from broker.units import Floats

FIRST_TIME, CANDIDATE, KNOWN = 1, 2, 3
_NULL = -999.0
# Fink's own constants; the setting radius_arcsec is about `is_known` alone.
_STAR_SCORE = 0.76
_RADIUS_ARCSEC = 5.0
_PAIR_DAYS = 30.0 / (24.0 * 60.0)
_NO_NAME = ("null", "")


class SolarSystem(Module):
    """Fink's code and the survey's own match with known objects."""

    name: ClassVar[str] = "solar_system"
    version: ClassVar[str] = "1.0"
    inputs: ClassVar[tuple[str, ...]] = (
        *("jd", "magpsf", "prv_jd", "prv_magpsf", "ndethist", "sgscore1", "distpsnr1"),
        *("ssdistnr", "ssmagnr", "ssnamenr", "ss_object_id"),
    )
    output = pa.struct(
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

    def compute(self, alerts: ModuleAlerts) -> pa.StructArray:
        """Codes and matches; all null for a survey without a solar system."""
        if alerts.has("ssdistnr"):
            return self._from_distances(alerts)
        if alerts.has("ss_object_id"):
            return self._from_survey(alerts)
        return to_struct(
            self.output, {f.name: pa.nulls(alerts.n_rows, f.type) for f in self.output}
        )

    def explain(self, alerts: ModuleAlerts) -> list[Rule]:
        """Every rule of the code, in order, and whether it applies."""
        if not alerts.has("ssdistnr"):
            return []
        rules = [
            Rule(text, f"yes → code {code}" if applies[0] else "no")
            for text, applies, code in (_fink_rules(alerts) if _has_fink_inputs(alerts) else [])
        ]
        radius = f"0 ≤ ssdistnr < {self.settings.radius_arcsec:g}″"
        return [*rules, Rule(f"is_known: {radius}", "yes" if self._is_known(alerts)[0] else "no")]

    def _from_distances(self, alerts: ModuleAlerts) -> pa.StructArray:
        is_known = self._is_known(alerts)
        code = _fink_codes(alerts) if _has_fink_inputs(alerts) else np.where(is_known, KNOWN, 0)
        distance, predicted = alerts.floats("ssdistnr"), alerts.floats("ssmagnr")
        matched = distance >= 0
        name = alerts.strings("ssnamenr")
        nameless = ~matched | alerts.is_one_of("ssnamenr", _NO_NAME)
        columns = {
            "code": code,
            "is_known": is_known,
            "is_candidate": code == CANDIDATE,
            "name": pc.if_else(pa.array(nameless), pa.scalar(None, pa.string()), name),
            "distance_arcsec": np.where(matched, distance, np.nan),
            "predicted_mag": np.where(matched & (predicted > -99), predicted, np.nan),
        }
        return to_struct(self.output, columns)

    def _from_survey(self, alerts: ModuleAlerts) -> pa.StructArray:
        name = alerts.strings("ss_object_id")
        known = np.asarray(name.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        missing = np.full(alerts.n_rows, np.nan)
        columns = {
            "code": np.where(known, KNOWN, 0),
            "is_known": known,
            "is_candidate": np.zeros(alerts.n_rows, dtype=bool),
            "name": name,
            "distance_arcsec": missing,
            "predicted_mag": missing,
        }
        return to_struct(self.output, columns)

    def _is_known(self, alerts: ModuleAlerts) -> Bools:
        # 0.0 is a match, and the commonest one.
        distance = alerts.floats("ssdistnr")
        return np.asarray((distance >= 0) & (distance < self.settings.radius_arcsec))


def _has_fink_inputs(alerts: ModuleAlerts) -> bool:
    """Whether the survey has all that Fink's rules read; else only the distance counts."""
    return all(alerts.has(name) for name in SolarSystem.inputs if name != "ss_object_id")


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
