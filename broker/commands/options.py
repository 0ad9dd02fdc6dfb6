"""The options by which every command and job finds its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SurveyOption = Annotated[str, typer.Option(help="Survey: a file conf/<survey>.toml.")]
ConfOption = Annotated[Path | None, typer.Option(help="A further TOML file of settings.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value, as often as needed.")
]
