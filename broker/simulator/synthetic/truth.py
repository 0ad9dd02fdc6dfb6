"""The truth table beside a synthetic night."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

TRUTH_FILE = "truth.parquet"
_ROWS_AT_A_TIME = 5000


def _column(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, metadata={"meaning": meaning})


TRUTH_SCHEMA = pa.schema(
    [
        _column("candid", pa.int64(), "alert"),
        _column("objectId", pa.string(), "object; the apparitions of an asteroid differ"),
        _column("jd", pa.float64(), "start of the exposure, UTC"),
        _column("fid", pa.int8(), "band: 1 g, 2 r"),
        _column("ra", pa.float64(), "true right ascension, degrees"),
        _column("dec", pa.float64(), "true declination, degrees"),
        _column("class", pa.string(), "population"),
        _column("subclass", pa.string(), "type within the population"),
        _column("redshift", pa.float64(), "of extragalactic sources"),
        _column("peak_mjd", pa.float64(), "maximum of transients; time of a burst"),
        _column("period_days", pa.float64(), "period, rotation or recurrence"),
        _column("amplitude_mag", pa.float64(), "full amplitude"),
        _column("true_flux_njy", pa.float64(), "difference flux without noise"),
        _column("true_mag", pa.float64(), "its AB magnitude; null when there is no flux"),
        _column("is_positive", pa.bool_(), "sign of the difference"),
        _column("host_r_mag", pa.float64(), "host or star in the reference; null for none"),
        _column("host_offset_arcsec", pa.float64(), "distance to it"),
    ]
)


class TruthWriter:
    """Write ``truth.parquet`` row by row, a few thousand in memory; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / TRUTH_FILE
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self.path, TRUTH_SCHEMA)
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """Add one row; nan and empty strings become null."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        columns = [
            pa.array([_or_null(row[field.name]) for row in self._rows], field.type)
            for field in TRUTH_SCHEMA
        ]
        self._writer.write_table(pa.table(columns, schema=TRUTH_SCHEMA))
        self._rows.clear()


def _or_null(value: object) -> object:
    missing = value == "" or (isinstance(value, float) and math.isnan(value))
    return None if missing else value
