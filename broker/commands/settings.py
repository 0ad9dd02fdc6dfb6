"""``nightjar settings``: every setting with its value, its origin and its meaning."""

from __future__ import annotations

from dataclasses import asdict, astuple, fields
from typing import Annotated

import typer

from broker.commands.options import ConfOption, FormatOption, OutOption, SetOption, SurveyOption
from broker.commands.rows_out import is_table, write_rows
from broker.commands.terminal_table import show, table


def main(
    name: Annotated[
        str, typer.Argument(metavar="[SECTION[.KEY]]", help="A section or a setting; none: all.")
    ] = "",
    survey: SurveyOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Print every setting with its value, its origin and its meaning; secrets as ***."""
    import pyarrow as pa

    from broker.settings.listing import SettingLine, list_settings
    from broker.settings.load import read_layers

    lines = list_settings(read_layers(survey, conf, words), name)
    if is_table(form, out):
        headings = tuple(field.name for field in fields(SettingLine))
        show(table(headings, map(astuple, lines), texts=("value", "meaning")))
    else:
        write_rows(pa.Table.from_pylist([asdict(line) for line in lines]), form, out)
