"""Look-ups in an archive of a million science rows: objects, cones, a night's classes.

    bin/bench archive [--rows 1000000] [--root FOLDER]

Makes synthetic nights with every declared column, closes them, and asks. A full scan is the same
question without anything to skip by. FOLDER, when it is given, is kept and used again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cdshealpix
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import Latitude, Longitude

from broker.query import Archive
from broker.query.cone import cell_ranges
from broker.tables.files import files_of
from broker.tables.storage import Storage
from tests.builders import commit_batch
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
    nights = pa.array([night] * science.num_rows, pa.int32())
    for stage, table in (("raw", raw), ("science", science)):
        commit_batch(storage, stage, key, {stage: table.append_column("night", nights)})
    commit_batch(storage, "distribute", key, read=science.num_rows)


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        root = options.root or Path(folder)
        storage = Storage(str(root / SURVEY))
        if not storage.exists("archive/science"):
            make_archive(storage, root, options.rows)
        print(f"load {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores\n")
        measure(storage, options.runs)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench archive", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=15, help="of each look-up; the median counts")
    parser.add_argument("--root", type=Path, help="keep the archive here, and use it again")
    return parser.parse_args()


def make_archive(storage: Storage, root: Path, n_rows: int) -> None:
    """Write four nights and close them; online batches go."""
    from broker.archive.close import NightCloser
    from broker.archive.tidy import remove_taken_batches
    from broker.settings import load_settings
    from broker.spark.session import build_session

    began = time.perf_counter()
    write_nights(storage, 1, 4, n_rows // 4, seed=1)
    print(f"{n_rows:,} rows made in {time.perf_counter() - began:.0f} s")
    spark = build_session("bench archive")
    settings = load_settings(SURVEY, overrides=[f"storage.root={root}"])
    for name in storage.names("online/science"):
        night, began = int(name.removeprefix("night=")), time.perf_counter()
        NightCloser(spark, settings).close(night, AT)
        rate = n_rows // 4 / (time.perf_counter() - began)
        print(f"night {night} closed, {rate:.0f} rows/s (raw and science)")
    remove_taken_batches(storage, 0, AT)
    spark.stop()


def measure(storage: Storage, runs: int) -> None:
    """Print each look-up's time, what it read, and its ratio to a full scan."""
    archive = Archive(storage.root, "arrow")
    found = files_of(storage, "science")
    files = [path for paths in found.archived.values() for path in paths]
    n_rows: Any = archive.sql("SELECT count(*) AS n FROM science")
    megabytes = storage.size("archive/science") / 1e6
    print(f"{n_rows['n'][0]} rows, {len(files)} files, {megabytes:.0f} MB")
    row: Any = archive.sql("SELECT object_id, ra_deg, dec_deg FROM science LIMIT 1 OFFSET 12345")
    name, ra, dec = (row[column][0].as_py() for column in row.column_names)
    scan = "SELECT count(COLUMNS(*)) FROM science"
    whole = show("every value of every row", lambda: archive.sql(scan), 3)
    show("object", lambda: archive.object(name), runs, whole)
    show_groups({file: by_bloom_filter(file, name) for file in files})
    show("cone of 60 arcsec", lambda: archive.cone(ra, dec, 60.0), runs, whole)
    ranges = cell_ranges(ra, dec, 60.0)
    show_groups({file: by_cells(file, ranges) for file in files})
    night = found.nights[1]
    whole = show("every value of a night", lambda: archive.sql(scan, str(night)), 3)
    by_class = "SELECT classifier.label, count(*) FROM science GROUP BY ALL"
    show("its count by class", lambda: archive.sql(by_class, str(night)), runs, whole)
    of_night = found.archived[night]
    show_groups(
        {file: [file in of_night] * pq.read_metadata(file).num_row_groups for file in files}
    )


def show(what: str, ask: Callable[[], Any], runs: int, whole: float | None = None) -> float:
    """Time a question: once to warm up, then the median, which is returned."""
    ask()
    before, times = bytes_read(), []
    for _ in range(runs):
        began = time.perf_counter()
        rows = ask()
        times.append(time.perf_counter() - began)
    read = (bytes_read() - before) / runs / 1e6
    median = statistics.median(times)
    ratio = f", 1/{whole / median:.0f} of a full scan" if whole else ""
    print(
        f"{what:26} {median:7.3f} s ({min(times):.3f} to {max(times):.3f}), {rows.num_rows} rows, "
        f"{read:.1f} MB read{ratio}"
    )
    return median


def show_groups(groups: dict[str, list[bool]]) -> None:
    """How many files, and row groups of them, a look-up reads beyond their footers."""
    opened, kept = sum(map(any, groups.values())), sum(map(sum, groups.values()))
    total = sum(map(len, groups.values()))
    print(f"{'  reads':26} {opened} of {len(groups)} files, {kept} of {total} row groups")


def by_bloom_filter(file: str, object_id: str) -> list[bool]:
    """Of each row group of a file: whether an object may be in it."""
    probe = f"parquet_bloom_probe('{file}', 'object_id', '{object_id}')"
    with duckdb.connect() as connection:
        rows = connection.sql(f"SELECT NOT bloom_filter_excludes FROM {probe}").fetchall()
    return [bool(row[0]) for row in rows]


def by_cells(file: str, ranges: list[tuple[int, int]]) -> list[bool]:
    """Of each row group of a file: whether its cells reach into these."""
    footer = pq.read_metadata(file)
    place = footer.schema.names.index("healpix29")
    found = [footer.row_group(k).column(place).statistics for k in range(footer.num_row_groups)]
    return [any(s.min <= last and first <= s.max for first, last in ranges) for s in found]


def bytes_read() -> int:
    """Bytes that this process has asked the system for, from the page cache or not."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if line.startswith("rchar"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
