"""``nightjar schema``: version, framing, fields and types of a packet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.options import (
    ConfOption,
    RegistryOption,
    SchemaOption,
    ServersOption,
    SetOption,
    SurveyOption,
)
from broker.errors import InputError, UsageError

if TYPE_CHECKING:
    from rich.tree import Tree

    from broker.client import Alerts, Received


def main(
    source: Annotated[
        str,
        typer.Argument(
            help="A packet, an archive or folder of packets, a topic, an .avsc file or its folder.",
            show_default=False,
        ),
    ],
    *,
    servers: ServersOption = None,
    schema: SchemaOption = None,
    registry: RegistryOption = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Show how the first packet of a file, folder or topic is framed and what is in it."""
    from broker.client import iterate
    from broker.client.describe import describe_packet, describe_schema, schema_tree
    from broker.packets.schemas import load_schema
    from broker.settings import load_settings

    path = Path(source)
    if path.suffix == ".avsc" or next(path.glob("*.avsc"), None) is not None:
        found = load_schema(path)
        lines = describe_schema(found)
    else:
        alerts = iterate(
            source,
            servers=servers,
            schema=schema,
            registry=registry,
            max_alerts=1,
            timeout_seconds=0,
            on_error=_stop,
            settings=load_settings(survey, conf, words),
        )
        received = _first_packet(alerts, source)
        found = received.packet.schema
        lines = describe_packet(received)
    print(*lines, "", sep="\n")
    _print_tree(schema_tree(found))


def _first_packet(alerts: Alerts, source: str) -> Received:
    first = next(alerts, None)
    if first is None:
        raise UsageError(f"{source} holds no alert yet")
    return first.received


def _stop(error: InputError) -> None:
    raise error


def _print_tree(tree: Tree) -> None:
    from rich.console import Console

    # Long types must not wrap: a pipe has 80 columns only by convention.
    console = Console(soft_wrap=True)
    console.print(tree)
