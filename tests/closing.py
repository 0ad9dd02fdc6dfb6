"""Batches that every stage has finished, made without Spark or Kafka, and what readers see of them.

Night by night an alert's rows are those of `science_rows`, at positions that make sense; raw has a
repeat of an alert now and then, as Kafka has.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cdshealpix
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from astropy.coordinates import Latitude, Longitude

from broker.sinks.publish import Publisher
from broker.tables.ledger_row import LedgerRow, ModuleCount, NightCount, OffsetRange
from broker.tables.storage import Storage
from tests.science_rows import AT, NIGHTS, raw_rows, science_rows

REPEAT_EVERY = 10
Row = tuple[int, str, str, int]
"""Alert id, object id, batch, night."""


def fill(root: Path, numbers: Sequence[int], n_batches: int, first: int = 0) -> list[str]:
    """Commit alerts of `NIGHTS` in so many batches of raw, science and distribute; their keys."""
    keys = []
    for k, part in enumerate(np.array_split(np.asarray(numbers), n_batches)):
        key = f"abcdef01-{first + k:06d}"
        commit(Storage(str(root / "ztf")), key, on_the_sky(science_rows("ztf", part.tolist())))
        keys.append(key)
    return keys


def commit(
    storage: Storage,
    key: str,
    science: pa.Table,
    stages: Sequence[str] = ("raw", "science", "distribute"),
) -> None:
    """Commit one batch of the first so many stages."""
    raw = _raw(science, key)
    for stage, table in (("raw", raw), ("science", science), ("distribute", None)):
        if stage in stages:
            _commit(storage, stage, key, table, science, raw)


def on_the_sky(science: pa.Table) -> pa.Table:
    """Rows at random places of the sky, in their own HEALPix cells."""
    rng = np.random.default_rng(science["alert_id"][0].as_py() % 2**32)
    ra = rng.uniform(0, 360, science.num_rows)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, science.num_rows)))
    return at_positions(science, ra, dec)


def at_positions(science: pa.Table, ra_deg: Any, dec_deg: Any) -> pa.Table:
    """Rows at these places (degrees)."""
    lon, lat = Longitude(ra_deg, unit="deg"), Latitude(dec_deg, unit="deg")
    cells = cdshealpix.nested.lonlat_to_healpix(lon, lat, 29).astype(np.int64)
    for name, values in (("ra_deg", ra_deg), ("dec_deg", dec_deg), ("healpix29", cells)):
        place = science.schema.get_field_index(name)
        science = science.set_column(place, science.schema.field(name), pa.array(values))
    return science


def _raw(science: pa.Table, key: str) -> pa.Table:
    """Raw rows of science rows, every tenth of them again in a topic of its own."""
    raw = raw_rows("ztf", science)
    for name in ("object_id", "healpix29", "candidate"):
        raw = raw.append_column(science.schema.field(name), science[name])
    again = raw.take(list(range(0, raw.num_rows, REPEAT_EVERY)))
    place = {"topic": f"again_{key}", "partition": 0}
    moved = [
        {**old, **place, "offset": offset} for offset, old in enumerate(again["ingest"].to_pylist())
    ]
    column = again.schema.get_field_index("ingest")
    kind = again.schema.field("ingest")
    return pa.concat_tables([raw, again.set_column(column, kind, pa.array(moved, kind.type))])


def _commit(
    storage: Storage, stage: str, key: str, table: pa.Table | None, science: pa.Table, raw: pa.Table
) -> None:
    publisher = Publisher(storage, stage)
    attempt = publisher.attempt(key)
    counts = []
    for night in sorted(set(science["night"].to_pylist())):
        n_raw, n_science = (_of_night(rows, night).num_rows for rows in (raw, science))
        if table is not None:
            folder = f"{attempt.table_folder(stage)}/night={night}"
            storage.make_folder(folder)
            rows = _of_night(table, night).drop_columns(["night"])
            pq.write_table(rows, storage.path(f"{folder}/part-0.parquet"))
        written = n_raw if stage == "raw" else n_science
        repeats = n_raw - n_science if stage == "science" else 0
        counts.append(NightCount(night, written=written, repeats=repeats))
    sent = stage == "distribute"
    n_read = science.num_rows if sent else raw.num_rows
    publisher.finish(
        attempt,
        LedgerRow(
            survey="ztf",
            stage=stage,
            key=key,
            batch_time=AT + dt.timedelta(seconds=int(key[-6:])),
            seconds=1.0,
            read=n_read,
            written=0 if sent else sum(count.written for count in counts),
            repeats=sum(count.repeats for count in counts),
            by_night=() if sent else tuple(counts),
            by_module=(ModuleCount("slope", "1.0", 0.1, 0),) if stage == "science" else (),
            offsets=_offsets(raw) if stage == "raw" else (),
        ),
    )


def _of_night(table: pa.Table, night: int) -> pa.Table:
    return table.filter(pa.array([value == night for value in table["night"].to_pylist()]))


def _offsets(raw: pa.Table) -> tuple[OffsetRange, ...]:
    places = [
        (place["topic"], place["partition"], place["offset"]) for place in raw["ingest"].to_pylist()
    ]
    return tuple(OffsetRange(*place, place[2] + 1, place[2] + 1) for place in sorted(places))


# --- what is there, by engines that know nothing of ours -----------------------------------------


def online_rows(root: Path, table: str = "science", night: int = NIGHTS[0]) -> list[Row]:
    """Rows of the online table."""
    files = f"{root}/ztf/online/{table}/night={night}/*/*.parquet"
    return _rows(f"SELECT alert_id, object_id, batch, night FROM read_parquet('{files}')")


def archived_rows(root: Path, table: str = "science", night: int = NIGHTS[0]) -> list[Row]:
    """Rows of the archive, as DuckDB sees them."""
    files = f"{root}/ztf/archive/{table}/night={night}/**"
    return _rows(f"SELECT alert_id, object_id, batch, night FROM read_parquet('{files}')")


def archived_rows_by_pyarrow(
    root: Path, table: str = "science", night: int = NIGHTS[0]
) -> list[Row]:
    """The same, as pyarrow (and pandas through it) sees them."""
    rows = ds.dataset(f"{root}/ztf/archive/{table}", partitioning="hive").to_table(
        columns=["alert_id", "object_id", "batch", "night"], filter=ds.field("night") == night
    )
    return sorted(tuple(row.values()) for row in rows.to_pylist())


def _rows(query: str) -> list[Row]:
    with duckdb.connect() as connection:
        found = connection.sql(query.replace(")", ", hive_partitioning = true)"))
        return sorted(found.fetchall())
