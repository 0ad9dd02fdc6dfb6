"""Rows of a table as DuckDB views: SQL over exactly the files that hold each row once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from broker.tables.files import Files

GONE = (duckdb.IOException, FileNotFoundError)
"""Errors of listing and reading where a night was replaced meanwhile."""
# One row per object: its latest alert, whole, and counts over all.
OBJECTS = """
SELECT s.*, o.n_alerts, o.first_night, o.last_night
FROM (
    SELECT object_id,
           arg_max(alert_id, (mjd, alert_id)) AS alert_id,
           count(*) AS n_alerts,
           min(night) AS first_night,
           max(night) AS last_night
    FROM science GROUP BY object_id
) AS o
JOIN science AS s USING (object_id, alert_id)
"""


def connect() -> duckdb.DuckDBPyConnection:
    """Connection in memory that keeps the footers of the files that it has read."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    # Files never change, and names never come again.
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def set_views(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Files]) -> None:
    """Make each table a view of its files, and ``objects`` one of ``science``, which has files."""
    for name, files in tables.items():
        query = table_query(files)
        if query is not None:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
        else:
            connection.execute(f"DROP VIEW IF EXISTS {name}")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW objects AS {OBJECTS}")


def table_query(files: Files) -> str | None:
    """All rows of a table with ``night`` and ``batch``; None when there are no files."""
    archived = [path for paths in files.archived.values() for path in paths]
    online = [path for paths in files.online.values() for path in paths]
    parts = []
    if archived:
        parts.append(files_query(archived, {"night": "INTEGER"}))
    if online:
        parts.append(files_query(online, {"night": "INTEGER", "batch": "VARCHAR"}))
    return "\nUNION ALL BY NAME\n".join(parts) or None


def files_query(paths: Sequence[str], in_path: Mapping[str, str] | None = None) -> str:
    """All rows of some files.

    Parameters
    ----------
    in_path
        Columns that the folders' names hold, and their types.
    """
    listed = ", ".join(map(quoted, paths))
    types = ", ".join(f"'{name}': {dtype}" for name, dtype in (in_path or {}).items())
    hive = f"true, hive_types = {{{types}}}" if in_path else "false"
    return (
        f"SELECT * FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = {hive})"
    )


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
