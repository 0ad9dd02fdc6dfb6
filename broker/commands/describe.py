"""``nightjar describe``: every column of a table with its type, unit and meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.commands.terminal_table import show, table
from broker.errors import UsageError
from broker.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa


class TableName(StrEnum):
    """Tables that are described."""

    SCIENCE = "science"
    RAW = "raw"
    QUARANTINE = "quarantine"
    LEDGER = "ledger"


def main(
    column: Annotated[
        str | None, typer.Argument(help="Only columns whose name begins with this.")
    ] = None,
    name: Annotated[
        TableName, typer.Option("--table", help="Table to describe.")
    ] = TableName.SCIENCE,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List a table's columns: type, unit, meaning. Missing values are null in all of ours."""
    settings = load_settings(survey, conf, words)
    fields = _columns(name, settings)
    found = [line for line in _lines(fields, "") if line[0].startswith(column or "")]
    if not found:
        raise UsageError(f"table {name.value} of {settings.survey} has no column {column}")
    headings = ("column", "type", "unit", "meaning")
    show(table(headings, found, texts=("meaning",), header=False))


def described_columns(settings: Settings) -> dict[str, tuple[str, str]]:
    """Path of each column of the science table → its unit and meaning."""
    lines = _lines([*_science(settings), *_counts()], "")
    return {name: (unit, meaning) for name, _, unit, meaning in lines}


def _counts() -> list[pa.Field]:
    """Columns that only ``objects`` and cones have."""
    import pyarrow as pa

    from broker.tables.declaration import column

    return [
        column("n_alerts", pa.int64(), "", "alerts of this object in these nights"),
        column("first_night", pa.int32(), "YYYYMMDD", "night of its first alert"),
        column("last_night", pa.int32(), "YYYYMMDD", "night of its latest alert"),
        column("separation_arcsec", pa.float64(), "arcsec", "distance from the given position"),
    ]


def _science(settings: Settings) -> list[pa.Field]:
    from broker.science.engine.science_pass import SciencePass
    from broker.surveys import get_survey
    from broker.tables.science_schema import science_schema

    survey = get_survey(settings.survey)
    declared = science_schema(survey, SciencePass(survey.name, settings.science).fields)
    return [*declared, _batch()]


def _raw(settings: Settings) -> list[pa.Field]:
    from broker.surveys import get_survey
    from broker.tables.raw_schema import RAW_COLUMNS, raw_schema

    # Ours first: a packet has many.
    declared = raw_schema(get_survey(settings.survey))
    packet = list(declared)[: -len(RAW_COLUMNS)]
    return [*RAW_COLUMNS, _batch(), *packet]


def _columns(table: TableName, settings: Settings) -> list[pa.Field]:
    from broker.tables.ledger_schema import LEDGER_FIELDS
    from broker.tables.quarantine_schema import QUARANTINE_SCHEMA

    if table is TableName.SCIENCE:
        return _science(settings)
    if table is TableName.RAW:
        return _raw(settings)
    return [*LEDGER_FIELDS] if table is TableName.LEDGER else [*QUARANTINE_SCHEMA, _batch()]


def _batch() -> pa.Field:
    """Column that the folders' names, or the archive's files, hold."""
    import pyarrow as pa

    from broker.tables.declaration import column

    return column("batch", pa.string(), "", "batch that the row came in")


def _lines(fields: Iterable[pa.Field], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, unit and meaning; fields of structs and of lists of structs follow them."""
    import pyarrow as pa

    for field in fields:
        path, kind = f"{prefix}{field.name}", field.type
        told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        inner, ending = (kind.value_type, "[]") if pa.types.is_list(kind) else (kind, "")
        name = "struct" if pa.types.is_struct(inner) else str(inner)
        shown = f"list of {name}" if ending else name
        yield path, shown, told.get("unit", ""), told.get("meaning", "")
        if pa.types.is_struct(inner):
            yield from _lines(inner, f"{path}{ending}.")
