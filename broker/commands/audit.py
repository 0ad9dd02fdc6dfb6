"""``nightjar audit``: prove that nothing is lost and nothing doubled."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from broker.audit.equations import audit
from broker.audit.finding import Finding
from broker.audit.topics import OutputTopics
from broker.commands.options import (
    ConfOption,
    JsonOption,
    NightsOption,
    SetOption,
    SurveyOption,
)
from broker.errors import CheckFailed, UsageError
from broker.nights import NightRange, parse_nights
from broker.settings import load_settings
from broker.strict_json import as_strict_json
from broker.tables.storage import Storage


def main(
    survey: SurveyOption = None,
    nights: NightsOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Look into files and topics too, not only the ledger.")
    ] = False,
    as_json: JsonOption = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Check the equations between Kafka, the tables and the ledger; exit 1 on a difference."""
    settings = load_settings(survey, conf, words)
    span = NightRange(*parse_nights(nights)) if nights else NightRange()
    topics = OutputTopics(
        settings.kafka.output_options(), settings.kafka.output_prefix, settings.survey
    )
    storage = Storage(settings.survey_root)
    if not storage.exists("ledger"):
        raise UsageError(
            f"{settings.survey_root} has no ledger, so there is nothing to audit; give the "
            "settings of the jobs (--conf FILE, or --set storage.root=…)"
        )
    findings = audit(storage, span, deep=deep, topics=topics)
    if as_json:
        typer.echo(as_strict_json([{**asdict(f), "holds": f.holds} for f in findings], indent=2))
    else:
        show_findings(findings)
    broken = [finding for finding in findings if not finding.holds]
    if broken:
        raise CheckFailed(
            f"{len(broken)} of {len(findings)} equations do not hold: {settings.survey}"
        )


def show_findings(findings: list[Finding]) -> None:
    """One line an equation, with a tick or a cross, and every difference below it."""
    console = Console(highlight=False)
    for finding in findings:
        mark = "[green]✓[/]" if finding.holds else "[red]✗[/]"
        console.print(f"{mark} {finding.name:56} {finding.summary}", soft_wrap=True)
        for difference in finding.differences:
            console.print(f"    [red]{difference}[/]", soft_wrap=True)
