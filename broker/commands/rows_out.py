"""Rows as a table on the terminal, CSV, JSON, Parquet or VOTable, on the screen or in a file."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from broker.commands.options import Format
from broker.commands.terminal_table import as_text, table
from broker.errors import UsageError
from broker.plural import counted

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 200


_ENDINGS = {
    "csv": Format.CSV,
    "json": Format.JSON,
    "parquet": Format.PARQUET,
    "vot": Format.VOTABLE,
}
Described: TypeAlias = "Mapping[str, tuple[str, str]]"
"""Path of a column → its unit and meaning."""


def is_table(form: Format | None, out: Path | None) -> bool:
    """Whether rows go to the terminal as a table."""
    return out is None and form in (None, Format.TABLE)


def write_rows(
    rows: pa.Table,
    form: Format | None,
    out: Path | None,
    brief: Sequence[str] | None = None,
    describe: Callable[[], Described] = dict,
) -> None:
    """Show or save rows.

    Parameters
    ----------
    brief
        Columns (``struct.field`` too) that the table on the terminal has; none: all.
    describe
        Tells units and meanings, for the forms that keep them.

    Raises
    ------
    UsageError
        The file exists or cannot be written, its name says nothing of its form, or Parquet or a
        VOTable would go to the terminal.
    """
    chosen = form or _by_name(out)
    if out is not None and out.exists():
        raise UsageError(f"{out} exists; give --out another name")
    if out is None:
        if chosen in (Format.PARQUET, Format.VOTABLE):
            raise UsageError(f"{chosen.value} needs a file: give --out FILE")
        sys.stdout.write(_as_text(rows, chosen, brief))
        return
    try:
        _write_file(rows, chosen, out, brief, describe)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error}") from None
    typer.echo(f"{counted(rows.num_rows, 'row')} written to {out}")


def _write_file(
    rows: pa.Table,
    form: Format,
    out: Path,
    brief: Sequence[str] | None,
    describe: Callable[[], Described],
) -> None:
    if form is Format.PARQUET:
        import pyarrow.parquet as pq

        pq.write_table(rows, out, compression="zstd")
    elif form is Format.VOTABLE:
        from broker.query.votable import write_votable

        write_votable(rows, out, describe())
    else:
        out.write_text(_as_text(rows, form, brief), encoding="utf-8")


def _by_name(out: Path | None) -> Format:
    if out is None:
        return Format.TABLE
    ending = out.suffix.removeprefix(".").lower()
    if ending not in _ENDINGS:
        named = ", ".join(f".{name}" for name in _ENDINGS)
        raise UsageError(f"{out}: give a name that ends in one of {named}, or --format")
    return _ENDINGS[ending]


def _as_text(rows: pa.Table, form: Format, brief: Sequence[str] | None) -> str:
    if form is Format.JSON:
        from broker.client.show import as_json

        inner = ",\n".join(as_json(row) for row in rows.to_pylist())
        return f"[\n{inner}\n]\n" if inner else "[]\n"
    return _as_csv(rows) if form is Format.CSV else _as_table(rows, brief)


def _as_csv(rows: pa.Table) -> str:
    """Comma-separated values: fields of structs as columns of their own, lists as JSON."""
    from broker.query.flat import as_text as cell_text
    from broker.query.flat import flat

    plain = flat(rows)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(plain.column_names)
    # Column by column: two may have one name once structs are flat.
    for row in zip(*(column.to_pylist() for column in plain.columns), strict=True):
        writer.writerow(map(cell_text, row))
    return stream.getvalue()


def _as_table(rows: pa.Table, brief: Sequence[str] | None) -> str:
    """Lines of aligned columns, whole ids included, however wide that is."""
    if not rows.num_rows:
        return "no rows\n"
    shown = rows.slice(0, _MOST_ROWS).to_pylist()
    if brief is None:  # a name such as avg(candidate.drb) is not a path
        names = titles = rows.column_names
        values = [[row[name] for name in names] for row in shown]
    else:
        names = [name for name in brief if name.split(".")[0] in rows.column_names]
        titles = _titles(names)
        values = [[_follow(row, name) for name in names] for row in shown]
    text = as_text(table(titles, (list(map(_cell, row)) for row in values)))
    if rows.num_rows > _MOST_ROWS:
        text += f"… and {rows.num_rows - _MOST_ROWS} more (--out FILE has all)\n"
    return text


def _titles(names: Sequence[str]) -> list[str]:
    short = [name.rpartition(".")[2] for name in names]
    return [
        name if short.count(title) > 1 else title for name, title in zip(names, short, strict=True)
    ]


def _follow(row: dict[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.5f}" if abs(value) > 10_000 else f"{value:.4f}"
    if isinstance(value, list):
        return f"{len(value)} values"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_cell(inner)}" for name, inner in value.items()) + "}"
    return str(value)
