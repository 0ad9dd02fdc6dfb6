"""Science rows made without science: random values of every declared field, sentinels included.

They have the declared schema and the ranges that the shipped filters ask about, so that a test of
what comes after science needs neither packets nor Spark.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from typing import Any

import cdshealpix
import numpy as np
import pyarrow as pa
from astropy.coordinates import Latitude, Longitude

from broker.science.engine.science_pass import SciencePass
from broker.settings import load_settings
from broker.surveys import get_survey
from broker.tables.science_schema import packet_fields, science_schema

FIRST_ID = 2_800_000_000_000_000_000
"""Beyond 2⁵³, as real ids are."""
NIGHTS = (20240909, 20240910)
AT = dt.datetime(2024, 9, 10, 5, 30, tzinfo=dt.UTC)
_NULL_SHARE = 0.1
# The survey's own records are in every packet, though their fields may be null.
_NEVER_NULL = ("candidate", "diaSource", "diaObject")
Draw = Callable[[random.Random], Any]


def _between(low: float, high: float) -> Draw:
    return lambda rng: rng.uniform(low, high)


def _share(share: float) -> Draw:
    return lambda rng: rng.random() < share


def _one_of(*values: Any) -> Draw:
    return lambda rng: rng.choice(values)


# What filters look at; the rest is anything.
_DRAWS: dict[str, Draw] = {
    "survey": _one_of("ztf"),
    "mag": _between(15, 21),
    "age_days": _between(0, 100),
    "n_detections": lambda rng: rng.randint(1, 30),
    "is_positive": _share(0.9),
    "real_bogus.is_real": _share(0.8),
    "solar_system.is_known": _share(0.2),
    "solar_system.code": _one_of(0, 0, 1, 2, 3),
    "recent.mag_per_day": lambda rng: rng.gauss(0, 0.3),
    "recent.mag_per_day_err": _between(0.01, 0.1),
    "classifier.score": _between(0, 1),
    "classifier.n_points": lambda rng: rng.randint(3, 20),
    "classifier.probabilities.sn_ia": _between(0, 0.9),
    "classifier.probabilities.sn_ii": _between(0, 0.1),
    "candidate.jd": _between(2460563.5, 2460565.5),
    "candidate.magpsf": _between(15, 21),
    "candidate.distpsnr1": _one_of(-999.0, 0.0, 0.7, 3.0, 7.0, 12.0),
    "candidate.sgscore1": _one_of(-999.0, 0.1, 0.5, 0.8, 1.0),
    "candidate.neargaiabright": _one_of(-999.0, 10.0, 60.0),
    "candidate.maggaiabright": _one_of(-999.0, 11.0, 13.0),
    "candidate.classtar": _between(0, 1),
    "candidate.distnr": _one_of(-999.0, 0.4, 4.0),
    "diaObject.hostgal_snsep": _one_of(-9.0, 0.3),
}
_BY_TYPE: dict[pa.DataType, Draw] = {
    pa.bool_(): _share(0.5),
    pa.int32(): lambda rng: rng.choice((0, -999, rng.randint(-(2**31), 2**31 - 1))),
    pa.int64(): lambda rng: rng.choice((0, -999, rng.randint(-(2**63), 2**63 - 1))),
    pa.float32(): lambda rng: rng.choice((-999.0, rng.gauss(0, 1e3))),
    pa.float64(): lambda rng: rng.choice((-999.0, 0.0, rng.gauss(0, 1e6))),
    pa.string(): _one_of("", "g", "null", "Ø 2024 AB1"),
    pa.binary(): lambda rng: rng.randbytes(rng.randint(0, 50)),
    pa.timestamp("us", tz="UTC"): lambda rng: AT + dt.timedelta(microseconds=rng.randint(0, 10**9)),
}


def schema_of(survey: str) -> pa.Schema:
    """The science table's declared columns."""
    science = SciencePass(survey, load_settings(survey, environ={}).science)
    return science_schema(get_survey(survey), science.fields)


def science_rows(survey: str, numbers: Sequence[int], seed: int = 1) -> pa.Table:
    """One row per number, which makes its ids; every fifth shares its object with the next."""
    rng = random.Random(seed * 1_000_003 + numbers[0])
    schema = schema_of(survey)
    rows = []
    for number in numbers:
        row = {field.name: _value(field, field.name, rng) for field in schema}
        row["alert_id"] = FIRST_ID + number * 1009
        row["object_id"] = f"{survey}{(number + 1) // 5 if number % 5 > 3 else number:07d}"
        row["survey"] = survey
        row["night"] = NIGHTS[number % 2]
        row["ingest"] = {
            "topic": "alerts",
            "partition": number % 3,
            "offset": number // 3,
            "kafka_timestamp": AT + dt.timedelta(milliseconds=number),
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=schema)


def raw_rows(survey: str, science: pa.Table) -> pa.Table:
    """Rows of the raw table for science rows: their place in Kafka, and what they don't have."""
    mapping = get_survey(survey)
    names = (*mapping.cutouts, *(mapping.answer.raw_fields if mapping.answer else ()))
    fields = packet_fields(mapping, names)
    rows = []
    for row in science.select(["alert_id", "night", "ingest"]).to_pylist():
        rng = random.Random(row["alert_id"])
        rows.append({**row, **{field.name: _draw(field.type, field.name, rng) for field in fields}})
    kept = [science.schema.field(name) for name in ("alert_id", "night", "ingest")]
    return pa.Table.from_pylist(rows, schema=pa.schema([*kept, *fields]))


def on_the_sky(science: pa.Table) -> pa.Table:
    """Rows at random places of the sky, in their own HEALPix cells."""
    rng = np.random.default_rng(science["alert_id"][0].as_py() % 2**32)
    ra = rng.uniform(0, 360, science.num_rows)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, science.num_rows)))
    return at_positions(science, ra, dec)


def at_positions(science: pa.Table, ra_deg: Any, dec_deg: Any) -> pa.Table:
    """Rows at these positions (degrees)."""
    for name, values in (
        ("ra_deg", ra_deg),
        ("dec_deg", dec_deg),
        ("healpix29", healpix29(ra_deg, dec_deg)),
    ):
        index = science.schema.get_field_index(name)
        science = science.set_column(index, science.schema.field(name), pa.array(values))
    return science


def healpix29(ra_deg: Any, dec_deg: Any) -> Any:
    """Cells of order 29 (nested) of these positions (degrees)."""
    lon, lat = Longitude(ra_deg, unit="deg"), Latitude(dec_deg, unit="deg")
    return cdshealpix.nested.lonlat_to_healpix(lon, lat, 29).astype(np.int64)


POINT = pa.struct(
    [
        ("mjd", pa.float64()),
        ("band", pa.string()),
        ("mag", pa.float64()),
        ("kind", pa.string()),
        ("alert_id", pa.int64()),
    ]
)
SCORED = pa.struct([("label", pa.string()), ("score", pa.float64()), ("reason", pa.string())])


def plain_rows(ids: Sequence[int], **columns: Any) -> pa.Table:
    """Rows of these alerts with few columns, each plain unless it is given."""
    n = len(ids)
    ra, dec = columns.get("ra_deg", np.full(n, 10.0)), columns.get("dec_deg", np.full(n, 20.0))
    plain: dict[str, Any] = {
        "alert_id": pa.array(ids, pa.int64()),
        "object_id": [f"ZTF{id_}" for id_ in ids],
        "survey": ["ztf"] * n,
        "ra_deg": ra,
        "dec_deg": dec,
        "healpix29": healpix29(ra, dec),
        "mjd": [60_498.0 + k for k in range(n)],
        "n_detections": pa.array([None] * n, pa.int32()),
        "lightcurve": pa.array([[]] * n, pa.list_(POINT)),
        "classifier": pa.array([None] * n, SCORED),
        "ingest": pa.array(
            [{"topic": "alerts", "partition": 0, "offset": id_ % 1000} for id_ in ids],
            pa.struct([("topic", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())]),
        ),
    }
    return pa.table(plain | columns)


def _value(field: pa.Field, path: str, rng: random.Random) -> Any:
    is_null = rng.random() < _NULL_SHARE and path not in _NEVER_NULL
    return None if is_null else _draw(field.type, path, rng)


def _draw(kind: pa.DataType, path: str, rng: random.Random) -> Any:
    if path in _DRAWS:
        return _DRAWS[path](rng)
    if pa.types.is_struct(kind):
        return {field.name: _value(field, f"{path}.{field.name}", rng) for field in kind}
    if pa.types.is_list(kind):
        return [_draw(kind.value_type, path, rng) for _ in range(rng.randint(0, 6))]
    return _BY_TYPE[kind](rng)
