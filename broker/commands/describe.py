"""``nightjar describe``: every column of a table with its type, unit and meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import ConfOption, SetOption, SurveyOption
from broker.errors import UsageError
from broker.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa


class TableName(StrEnum):
    """Tables that are described."""

    SCIENCE = "science"
    RAW = "raw"


def main(
    column: Annotated[
        str | None, typer.Argument(help="Only columns whose name begins with this.")
    ] = None,
    table: Annotated[TableName, typer.Option(help="Table to describe.")] = TableName.SCIENCE,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List a table's columns: type, unit, meaning. Missing values are null in all of ours."""
    settings = load_settings(survey, conf, words)
    fields = _science(settings) if table is TableName.SCIENCE else _raw(settings)
    found = [line for line in _lines(fields, "") if line[0].startswith(column or "")]
    if not found:
        raise UsageError(f"table {table.value} of {settings.survey} has no column {column}")
    widths = [max(len(line[k]) for line in found) for k in range(3)]
    for line in found:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        typer.echo("  ".join([*cells, line[3]]).rstrip())


def described_columns(settings: Settings) -> dict[str, tuple[str, str]]:
    """Path of each column of the science table → its unit and meaning."""
    lines = _lines([*_science(settings), *_counts()], "")
    return {name: (unit, meaning) for name, _, unit, meaning in lines}


def _counts() -> list[pa.Field]:
    """What ``objects`` and cones have besides."""
    import pyarrow as pa

    from broker.tables.declaration import column

    return [
        column("n_alerts", pa.int64(), "", "alerts of this object in these nights"),
        column("first_night", pa.int32(), "YYYYMMDD", "night of its first alert"),
        column("last_night", pa.int32(), "YYYYMMDD", "night of its latest alert"),
        column("separation_arcsec", pa.float64(), "arcsec", "distance from the given place"),
    ]


def _science(settings: Settings) -> list[pa.Field]:
    import pyarrow as pa

    from broker.science.engine.science_pass import SciencePass
    from broker.surveys import get_survey
    from broker.tables.declaration import column
    from broker.tables.science_schema import science_schema

    survey = get_survey(settings.survey)
    declared = science_schema(survey, SciencePass(survey.name, settings.science).fields)
    batch = column("batch", pa.string(), "", "batch that the row came in")
    return [*declared, batch]


def _raw(settings: Settings) -> list[pa.Field]:
    import pyarrow as pa

    from broker.packets.schemas import load_schema
    from broker.surveys import get_survey
    from broker.tables.declaration import column
    from broker.tables.science_schema import INGEST, packet_fields

    survey = get_survey(settings.survey)
    names = [field["name"] for field in load_schema(survey.schema_folder)["fields"]]
    instant = pa.timestamp("us", tz="UTC")
    ingest = pa.struct(
        [
            *INGEST,
            column("schema_key", pa.string(), "", "which schema the packet was written with"),
            column("batch_time", instant, "UTC", "time of the batch that decoded it"),
            column("unknown_fields", pa.list_(pa.string()), "", "fields that have no column here"),
            column("packet", pa.binary(), "", "the packet itself, if it has such fields"),
        ]
    )
    return [
        column("alert_id", pa.int64(), "", "unique per alert; repeats of an alert are kept"),
        column("object_id", pa.string(), "", "shared by all alerts of an object"),
        column("healpix29", pa.int64(), "", "HEALPix cell of order 29, NESTED"),
        column("night", pa.int32(), "YYYYMMDD", "date of UTC minus the survey's offset"),
        column("batch", pa.string(), "", "batch that the row came in"),
        column("ingest", ingest, "", "where the packet came from"),
        *packet_fields(survey, names),
    ]


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
