"""Synthetic science rows by the million: every declared column, positions and light curves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import cdshealpix
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import Latitude, Longitude

from broker.sinks.ledger import LedgerRow, NightCount
from broker.sinks.publish import Publisher
from broker.storage import Storage
from tests.science_rows import AT, schema_of

SURVEY = "ztf"
ALERTS_PER_OBJECT = 5
POINTS = 12
_CLASSES = ("sn_ia", "core_collapse", "agn", "variable_star", None)
_BANDS = ("g", "r", "i")
Rng = np.random.Generator


def write_nights(storage: Storage, first: int, n_nights: int, per_night: int, seed: int) -> None:
    """Commit every stage of nights of so many alerts, in batches of 50,000."""
    number = 0
    for k in range(n_nights):
        night = int((dt.date(2024, 1, first) + dt.timedelta(days=k)).strftime("%Y%m%d"))
        for start in range(0, per_night, 50_000):
            rows = min(50_000, per_night - start)
            table = science_table(night, number, rows, np.random.default_rng((seed, number)))
            _commit(storage, night, f"abcdef01-{number:06d}", table)
            number += 1


def science_table(night: int, number: int, n_rows: int, rng: Rng) -> pa.Table:
    """Rows of one batch."""
    schema = schema_of(SURVEY)
    ids = np.arange(n_rows, dtype=np.int64) + number * 50_000
    ra, dec = _positions(ids, rng)
    cells = cdshealpix.nested.lonlat_to_healpix(
        Longitude(ra, unit="deg"), Latitude(dec, unit="deg"), 29
    )
    known = {
        "alert_id": pa.array(ids * 1009 + 2_400_000_000_000_000_000),
        "object_id": pa.array([f"ZTF24{id_ % 400_000:07d}" for id_ in ids]),
        "survey": pa.repeat(SURVEY, n_rows),
        "ra_deg": pa.array(ra),
        "dec_deg": pa.array(dec),
        "healpix29": pa.array(cells.astype(np.int64)),
        "mjd": pa.array(60_300.0 + night % 100 + rng.uniform(0, 0.4, n_rows)),
        "band": _choice(rng, _BANDS, n_rows),
        "mag": pa.array(rng.uniform(15, 21, n_rows)),
        "classifier.label": _choice(rng, _CLASSES, n_rows),
    }
    columns = [_column(field.type, field.name, n_rows, rng, known) for field in schema]
    rows = pa.Table.from_arrays(columns, schema=schema)
    return rows.drop_columns(["night"])


def _positions(ids: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Place of each alert's object, which stays where it is from night to night."""
    objects = ids % 400_000
    spread = np.random.default_rng(7).uniform(size=(400_000, 2))[objects]
    jitter = rng.normal(0, 0.1 / 3600, (len(ids), 2))
    dec = np.degrees(np.arcsin(2 * spread[:, 1] - 1)) * 0.98 + jitter[:, 1]
    return (360 * spread[:, 0] + jitter[:, 0]) % 360, dec


def _column(kind: pa.DataType, path: str, n: int, rng: Rng, known: dict[str, pa.Array]) -> pa.Array:
    if path in known:
        return known[path].cast(kind)
    if pa.types.is_struct(kind):
        inner = [_column(f.type, f"{path}.{f.name}", n, rng, known) for f in kind]
        return pa.StructArray.from_arrays(inner, fields=list(kind))
    if pa.types.is_list(kind):
        counts = rng.integers(1, POINTS, n) if path == "lightcurve" else np.full(n, 1)
        values = _column(kind.value_type, f"{path}[]", int(counts.sum()), rng, known={})
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values).cast(kind)
    return _values(kind, n, rng)


def _values(kind: pa.DataType, n: int, rng: Rng) -> pa.Array:
    if pa.types.is_floating(kind):
        return pa.array(rng.normal(18, 2, n)).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array(rng.random(n) < 0.5)
    if pa.types.is_integer(kind):
        return pa.array(rng.integers(0, 1000, n)).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.repeat(AT, n).cast(kind)
    return _choice(rng, ("g", "r", "ztf"), n).cast(kind)


def _choice(rng: Rng, values: tuple[str | None, ...], n: int) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(rng.integers(0, len(values), n)))


def _commit(storage: Storage, night: int, key: str, science: pa.Table) -> None:
    raw = science.select(["alert_id", "object_id", "healpix29", "candidate", "ingest"])
    for stage, table in (("raw", raw), ("science", science), ("distribute", None)):
        publisher = Publisher(storage, stage)
        attempt = publisher.attempt(key)
        if table is not None:
            folder = f"{attempt.table_folder(stage)}/night={night}"
            storage.make_folder(folder)
            pq.write_table(table, storage.path(f"{folder}/part-0.parquet"), compression="zstd")
        sent = stage == "distribute"
        row = LedgerRow(
            survey=SURVEY,
            stage=stage,
            key=key,
            batch_time=AT,
            seconds=1.0,
            read=science.num_rows,
            written=0 if sent else science.num_rows,
            by_night=() if sent else (NightCount(night, science.num_rows),),
        )
        publisher.finish(attempt, row)


def nights_of(storage: Storage) -> Iterator[int]:
    """Nights that there are batches of."""
    yield from (int(name.removeprefix("night=")) for name in storage.names("online/science"))
