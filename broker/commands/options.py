"""Options that commands share, each declared once: name, type and help are the same everywhere.

A value that a command needs, or for which it has a default of its own, is declared by the plain
`typer.Option` (``NIGHTS``), others by the annotation (``NightsOption``).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """Forms in which rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    VOTABLE = "votable"


class FramingName(StrEnum):
    """Framings by name."""

    CONTAINER = "container"
    BARE = "bare"
    CONFLUENT = "confluent"


# --- settings ------------------------------------------------------------------------------------

SurveyOption = Annotated[
    str | None,
    typer.Option(help="Survey: a file conf/<survey>.toml. Default: the setting survey."),
]
ConfOption = Annotated[
    Path | None,
    typer.Option(
        "--conf",
        "-c",
        help="Further settings: a TOML file. simulate also takes fink-alert-simulator's KEY=VALUE.",
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value; may be given several times.")
]

# --- which alerts --------------------------------------------------------------------------------

NIGHTS = typer.Option("--nights", "--night", help="A night such as 20240707, or a range A..B.")
NightsOption = Annotated[str | None, NIGHTS]
WhereOption = Annotated[
    str | None,
    typer.Option(help='Only what matches this condition, such as "classifier.score > 0.9".'),
]

# --- what comes in -------------------------------------------------------------------------------

ServersOption = Annotated[
    str | None, typer.Option(help="Kafka as host:port[,host:port…]. Default: the settings'.")
]
FramingOption = Annotated[
    FramingName | None,
    typer.Option(
        help="Framing of the messages. Default: simulate takes ingest.framing; consume looks at "
        "each message."
    ),
]
SchemaOption = Annotated[
    Path | None,
    typer.Option(
        help="Schema of bare packets: an .avsc file, or a folder of them. Default: ingest.schema."
    ),
]
RegistryOption = Annotated[
    Path | None,
    typer.Option(help="Schemas of confluent packets: a folder with one folder per version."),
]
DATA = typer.Option(help="Recorded packets: a file, an archive or a folder of them.", exists=True)

# --- what goes out -------------------------------------------------------------------------------

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="Default: a table, or what the name of --out ends in."),
]
OUT = typer.Option("--out", help="File, or folder, to write.")
OutOption = Annotated[Path | None, OUT]
SaveOption = Annotated[Path | None, typer.Option(help="Save to this file or folder.")]

# --- streaming -----------------------------------------------------------------------------------

OnceOption = Annotated[
    bool, typer.Option("--once", help="Process what is there, stage by stage, and exit.")
]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--from", help="Start in Kafka without a checkpoint: ledger, earliest, latest or a time."
    ),
]
SkipBadFiltersOption = Annotated[
    bool, typer.Option("--skip-bad-filters", help="Run without the filters that cannot be used.")
]
