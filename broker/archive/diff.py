"""Difference of two versions of a night, alert by alert and column by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from broker.errors import UsageError
from broker.tables.files import files_in, retry_while_replaced
from broker.tables.layout import ARCHIVE, VERSIONS, night_folder, state_of, version_folder
from broker.tables.read_duckdb import GONE, files_query
from broker.tables.storage import Storage

# What differs whenever a night is written again, whatever the science.
_LEFT_OUT = ("raw_at", "science_at", "provenance.broker_version", "batch")
_EXAMPLES = 3
_COLUMNS_AT_ONCE = 24


@dataclass(frozen=True)
class Change:
    """One alert's value of a column, before and after."""

    alert_id: int
    old: Any
    new: Any


@dataclass(frozen=True)
class ColumnDiff:
    """Change of a column over the alerts that both versions have.

    Attributes
    ----------
    changed
        Alerts with another value.
    largest
        Largest absolute change of a number; None for others.
    changes
        The largest ones first, or some.
    """

    column: str
    changed: int
    largest: float | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class NightDiff:
    """Difference of two versions of the science rows of a night.

    Attributes
    ----------
    gained, lost
        Alerts that only the new, or only the old version has: their number, and some ids.
    added, removed
        Columns that only one has.
    """

    night: int
    rows_old: int
    rows_new: int
    gained: int
    gained_ids: tuple[int, ...]
    lost: int
    lost_ids: tuple[int, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    columns: tuple[ColumnDiff, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both versions say the same."""
        return not (self.gained or self.lost or self.added or self.removed or self.columns)


def diff_with_last_version(storage: Storage, night: int) -> NightDiff:
    """Compare the night in force with the one that it replaced.

    Raises
    ------
    UsageError
        The night is not closed, or nothing of it was kept.
    """

    def compare() -> NightDiff:
        current = files_in(storage, night_folder(ARCHIVE["science"], night))
        versions = storage.names(night_folder(VERSIONS["science"], night))
        if not current or not versions:
            what = "has no earlier version" if current else "is not closed"
            raise UsageError(
                f"night {night} of {storage.root} {what}, so there is nothing to compare"
            )
        last = version_folder("science", night, state_of(versions[-1]))
        return diff_files(night, files_in(storage, last), current)

    return retry_while_replaced(compare, GONE)


def diff_files(night: int, old: Sequence[str], new: Sequence[str]) -> NightDiff:
    """Compare science rows in files, by alert id."""
    with duckdb.connect() as connection:
        for name, paths in (("old", old), ("new", new)):
            connection.execute(f"CREATE VIEW {name} AS {files_query(paths)}")
        columns_old, columns_new = dict(_leaves_of(old)), dict(_leaves_of(new))
        shared = [name for name in columns_new if name in columns_old]
        gained, gained_ids = _only_in(connection, "new", "old")
        lost, lost_ids = _only_in(connection, "old", "new")
        return NightDiff(
            night=night,
            rows_old=_one(connection, "SELECT count(*) FROM old"),
            rows_new=_one(connection, "SELECT count(*) FROM new"),
            gained=gained,
            gained_ids=gained_ids,
            lost=lost,
            lost_ids=lost_ids,
            added=tuple(name for name in columns_new if name not in columns_old),
            removed=tuple(name for name in columns_old if name not in columns_new),
            columns=tuple(_changed(connection, shared, columns_new)),
        )


def _changed(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], dtypes: dict[str, pa.DataType]
) -> Iterator[ColumnDiff]:
    for start in range(0, len(names), _COLUMNS_AT_ONCE):
        some = names[start : start + _COLUMNS_AT_ONCE]
        measures = [f"count_if(o.{_sql(name)} IS DISTINCT FROM n.{_sql(name)})" for name in some]
        query = f"SELECT {', '.join(measures)} FROM old o JOIN new n USING (alert_id)"
        counts = connection.execute(query).fetchall()[0]
        for name, count in zip(some, counts, strict=True):
            if count:
                yield _column_diff(connection, name, int(count), dtypes[name])


def _column_diff(
    connection: duckdb.DuckDBPyConnection, name: str, count: int, dtype: pa.DataType
) -> ColumnDiff:
    is_number = pa.types.is_floating(dtype) or pa.types.is_integer(dtype)
    old, new = f"o.{_sql(name)}", f"n.{_sql(name)}"
    by = f"abs({new}::double - {old}::double)" if is_number else "NULL::double"
    rows = connection.execute(
        f"SELECT alert_id, {old}, {new}, {by} AS change FROM old o JOIN new n USING (alert_id) "
        f"WHERE {old} IS DISTINCT FROM {new} "
        f"ORDER BY change DESC NULLS LAST, alert_id LIMIT {_EXAMPLES}"
    ).fetchall()
    return ColumnDiff(
        column=name,
        changed=count,
        largest=rows[0][3],
        changes=tuple(Change(id_, before, after) for id_, before, after, _ in rows),
    )


def _only_in(
    connection: duckdb.DuckDBPyConnection, one: str, other: str
) -> tuple[int, tuple[int, ...]]:
    only = f"FROM {one} ANTI JOIN {other} USING (alert_id)"
    count = _one(connection, f"SELECT count(*) {only}")
    query = f"SELECT alert_id {only} ORDER BY alert_id LIMIT {_EXAMPLES}"
    ids = connection.execute(query).fetchall() if count else []
    return count, tuple(id_ for (id_,) in ids)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


def _leaves_of(files: Sequence[str]) -> Iterator[tuple[str, pa.DataType]]:
    """Columns, and the fields of structs, that are compared."""
    schemas = [pq.read_schema(file) for file in files]
    merged = pa.unify_schemas([schema.remove_metadata() for schema in schemas])
    for name, dtype in _leaves(merged, ""):
        if name not in _LEFT_OUT:
            yield name, dtype


def _leaves(fields: Iterable[pa.Field], prefix: str) -> Iterator[tuple[str, pa.DataType]]:
    for field in fields:
        path = f"{prefix}{field.name}"
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, f"{path}.")
        else:
            yield path, field.type


def _sql(path: str) -> str:
    return ".".join(f'"{name}"' for name in path.split("."))
