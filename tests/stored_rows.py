"""Rows of a root's tables, read by engines that know nothing of ours."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.dataset as ds

from tests.science_rows import NIGHTS

Row = tuple[int, str, str, int]
"""Alert id, object id, batch, night."""


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
    """Rows of the archive, as pyarrow (and pandas through it) sees them."""
    rows = ds.dataset(f"{root}/ztf/archive/{table}", partitioning="hive").to_table(
        columns=["alert_id", "object_id", "batch", "night"], filter=ds.field("night") == night
    )
    return sorted(tuple(row.values()) for row in rows.to_pylist())


def _rows(query: str) -> list[Row]:
    with duckdb.connect() as connection:
        found = connection.sql(query.replace(")", ", hive_partitioning = true)"))
        return sorted(found.fetchall())
