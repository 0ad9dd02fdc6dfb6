"""Rows as a table on the terminal, CSV, JSON or Parquet, on the screen or in a file."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 200


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="Default: a table, or what the name of --out ends in."),
]
OutOption = Annotated[Path | None, typer.Option("--out", help="File to write; one that is new.")]


def write_rows(
    rows: pa.Table,
    form: Format | None,
    out: Path | None,
    brief: Sequence[str] | None = None,
) -> None:
    """Show or save rows.

    Parameters
    ----------
    brief
        Columns (``struct.field`` too) that the table on the terminal has; none: all.

    Raises
    ------
    UsageError
        The file exists, its name says nothing of its form, or Parquet would go to the terminal.
    """
    chosen = form or _by_name(out)
    if out is not None and out.exists():
        raise UsageError(f"{out} exists; give --out another name")
    if chosen is Format.PARQUET:
        if out is None:
            raise UsageError("Parquet needs a file: give --out FILE.parquet")
        import pyarrow.parquet as pq

        pq.write_table(rows, out, compression="zstd")
    else:
        text = _as_text(rows, chosen, brief)
        if out is None:
            sys.stdout.write(text)
        else:
            out.write_text(text, encoding="utf-8")
    if out is not None:
        typer.echo(f"{rows.num_rows} rows written to {out}")


def _by_name(out: Path | None) -> Format:
    if out is None:
        return Format.TABLE
    ending = out.suffix.removeprefix(".").lower()
    if ending not in (Format.CSV, Format.JSON, Format.PARQUET):
        raise UsageError(f"{out}: give a name that ends in .csv, .json or .parquet, or --format")
    return Format(ending)


def _as_text(rows: pa.Table, form: Format, brief: Sequence[str] | None) -> str:
    if form is Format.JSON:
        from broker.client.show import as_json

        inner = ",\n".join(as_json(row) for row in rows.to_pylist())
        return f"[\n{inner}\n]\n" if inner else "[]\n"
    return _as_csv(rows) if form is Format.CSV else _as_table(rows, brief)


def _as_csv(rows: pa.Table) -> str:
    """Comma-separated values: fields of structs as columns of their own, lists as JSON."""
    flat = rows
    while any(str(field.type).startswith("struct") for field in flat.schema):
        flat = flat.flatten()
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(flat.column_names)
    for row in flat.to_pylist():
        writer.writerow(
            json.dumps(value, default=str) if isinstance(value, list) else value
            for value in row.values()
        )
    return stream.getvalue()


def _as_table(rows: pa.Table, brief: Sequence[str] | None) -> str:
    """Lines of aligned columns, whole ids included, however wide that is."""
    names = [name for name in brief or rows.column_names if name.split(".")[0] in rows.column_names]
    shown = rows.slice(0, _MOST_ROWS).to_pylist()
    cells = [_titles(names), *([_cell(_follow(row, name)) for name in names] for row in shown)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    if rows.num_rows > _MOST_ROWS:
        lines.append(f"… and {rows.num_rows - _MOST_ROWS} more (--out FILE has all)")
    return "\n".join(lines) + "\n"


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
    return str(value)
