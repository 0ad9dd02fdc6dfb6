"""``nightjar export``: whole nights for astronomers' tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broker.commands.describe import described_columns
from broker.commands.options import (
    ConfOption,
    NightsOption,
    SetOption,
    SurveyOption,
    WhereOption,
)
from broker.plural import counted
from broker.settings import load_settings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def about() -> None:
    """Write nights as a catalogue for other tools.

    For TOPCAT: objects, object, cone and sql with --out FILE.vot (VOTable) or FILE.csv.
    """


@app.command()
def hats(
    folder: Annotated[Path, typer.Argument(help="New folder; its name is the catalogue's.")],
    objects: Annotated[
        bool, typer.Option("--objects", help="One row per object, its latest; not one per alert.")
    ] = False,
    nights: NightsOption = None,
    where: WhereOption = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Write a HATS catalogue, which lsdb.open_catalog opens; fields are named classifier_score."""
    from broker.query import Archive
    from broker.query.hats import Kind, export_hats

    settings = load_settings(survey, conf, words)
    archive = Archive(settings.survey_root, "arrow")
    kind: Kind = "object" if objects else "source"
    parts = export_hats(archive, folder, kind, nights, where, described_columns(settings))
    n_rows = sum(part.n_rows for part in parts)
    typer.echo(
        f"{counted(n_rows, 'row')} in {counted(len(parts), 'part')} of the sky written to {folder}"
    )
