"""Tables as DuckDB reads them: SQL over exactly the files that hold each row once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from broker.tables.files import Files

# One row per object: its latest alert, whole, and what all of them tell.
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
        parts.append(_read(archived, {"night": "INTEGER"}))
    if online:
        parts.append(_read(online, {"night": "INTEGER", "batch": "VARCHAR"}))
    return "\nUNION ALL BY NAME\n".join(parts) or None


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _read(paths: Sequence[str], partitions: Mapping[str, str]) -> str:
    types = ", ".join(f"'{name}': {kind}" for name, kind in partitions.items())
    return (
        f"SELECT * FROM read_parquet([{_listed(paths)}], union_by_name = true, "
        f"hive_partitioning = true, hive_types = {{{types}}})"
    )


def _listed(paths: Iterable[str]) -> str:
    return ", ".join(quoted(path) for path in paths)
