"""Small science tables written without Spark, online or as archive_night writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cdshealpix
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import Latitude, Longitude

NIGHT = 20240707
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


def rows(ids: Sequence[int], **columns: Any) -> pa.Table:
    """Rows of these alerts; every column may be given, and is something plain otherwise."""
    n = len(ids)
    ra, dec = columns.get("ra_deg", np.full(n, 10.0)), columns.get("dec_deg", np.full(n, 20.0))
    cells = cdshealpix.nested.lonlat_to_healpix(
        Longitude(ra, unit="deg"), Latitude(dec, unit="deg"), 29
    )
    plain: dict[str, Any] = {
        "alert_id": pa.array(ids, pa.int64()),
        "object_id": [f"ZTF{id_}" for id_ in ids],
        "survey": ["ztf"] * n,
        "ra_deg": ra,
        "dec_deg": dec,
        "healpix29": cells.astype(np.int64),
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


def put_online(root: Path, batch: str, table: pa.Table, night: int = NIGHT) -> None:
    """Publish a batch."""
    folder = root / f"online/science/night={night}/batch={batch}"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-0.parquet")


def put_archive(
    root: Path, batches: dict[str, pa.Table], version: str = "aaaaaaaa", night: int = NIGHT
) -> None:
    """Add a file to the archive; a batch without rows is named all the same."""
    parts = [table.append_column("batch", [[key] * len(table)]) for key, table in batches.items()]
    table = pa.concat_tables(parts).sort_by("healpix29")
    fields = {"fields": [{"name": "batch", "metadata": {"batches": sorted(batches)}}]}
    name = "org.apache.spark.sql.parquet.row.metadata"
    folder = root / f"archive/science/night={night}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{version}-00000.parquet"
    pq.write_table(table.replace_schema_metadata({name: json.dumps(fields)}), path)
