"""``nightjar topics``: list the topics that can be subscribed to."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from broker.commands.options import ConfOption, JsonOption, ServersOption, SetOption, SurveyOption
from broker.errors import UsageError
from broker.settings import load_settings
from broker.strict_json import as_strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.settings import Settings
    from broker.sinks.marker_topic import MarkerTopic

_PATIENCE_SECONDS = 10.0
_DAY = dt.timedelta(days=1)
_MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class TopicLine:
    """One topic as its subscribers see it."""

    topic: str
    sentence: str
    alerts: int
    alerts_last_day: int
    retention_days: float | None
    payload: str
    schema_fingerprint: str
    active: bool
    continued_as: str | None
    """Topic of the filter that continues this one under another name."""


def main(
    survey: SurveyOption = None,
    servers: ServersOption = None,
    as_json: JsonOption = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List the topics of filtered alerts: sentence, rate, retention, schema.

    Reads only Kafka, so it works wherever the topics can be read.
    """
    settings = load_settings(survey, conf, words)
    options = settings.kafka.output_options()
    lines = read_lines(settings, options | ({"bootstrap.servers": servers} if servers else {}))
    if as_json:
        typer.echo(as_strict_json([asdict(line) for line in lines], indent=2))
    else:
        show_lines(lines)


def read_lines(settings: Settings, options: dict[str, str]) -> list[TopicLine]:
    """One line per filter that has ever run, by name.

    Raises
    ------
    UsageError
        Nothing has been sent there.
    """
    from broker.kafka.cluster import KafkaCluster
    from broker.kafka.topic_names import marker_topic
    from broker.sinks.marker_topic import read_marker_topic

    cluster = KafkaCluster(options, _PATIENCE_SECONDS)
    marker = marker_topic(settings.kafka.output_prefix, settings.survey)
    known = cluster.topics()
    if marker not in known:
        raise UsageError(
            f"Kafka at {options['bootstrap.servers']} has no topic {marker}, so no distribute of "
            f"{settings.survey} has sent anything there; see --servers, --survey and "
            "kafka.output_prefix"
        )
    content = read_marker_topic(options, marker, known[marker], _PATIENCE_SECONDS)
    topics_of = [item.topic for item in content.filters.values() if item.topic in known]
    return topic_lines(content, cluster.configs(topics_of, "retention.ms"))


def topic_lines(content: MarkerTopic, retention_ms: dict[str, str]) -> list[TopicLine]:
    """One line per filter of the marker topic, by name.

    Parameters
    ----------
    retention_ms
        Topic → its ``retention.ms``; topics that are gone are left out.
    """
    lines = []
    for name, item in sorted(content.filters.items()):
        kept = retention_ms.get(item.topic)
        successor = content.successor(name)
        lines.append(
            TopicLine(
                topic=item.topic,
                sentence=item.description,
                alerts=_sent(content, name, content.batches),
                alerts_last_day=_sent(content, name, _last_day(content)),
                retention_days=int(kept) / _MS_PER_DAY if kept is not None else None,
                payload=item.payload,
                schema_fingerprint=item.schema_fingerprint,
                active=item.active,
                continued_as=None if successor is None else successor.topic,
            )
        )
    return lines


def _last_day(content: MarkerTopic) -> list[str]:
    since = dt.datetime.now(dt.UTC) - _DAY
    return [key for key, at in content.sent_at.items() if at > since]


def _sent(content: MarkerTopic, name: str, batches: Iterable[str]) -> int:
    return sum(
        count.matched
        for key in batches
        for count in content.batches[key].by_filter
        if count.name == name
    )


def show_lines(lines: list[TopicLine]) -> None:
    """Print three lines per topic."""
    from rich.console import Console

    console = Console(highlight=False)
    for line in lines:
        kept = f"{line.retention_days:g} days" if line.retention_days is not None else "unknown"
        console.print(f"[bold]{line.topic}[/]{_status(line)}", soft_wrap=True)
        console.print(f"    {line.sentence}", soft_wrap=True, markup=False)
        console.print(
            f"    {line.alerts_last_day} alerts in the last 24 h, {line.alerts} in all; kept "
            f"{kept}; {line.payload} packets, schema {line.schema_fingerprint}",
            soft_wrap=True,
        )


def _status(line: TopicLine) -> str:
    if line.active:
        return ""
    if line.continued_as is not None:
        return f" [yellow](continued as {line.continued_as})[/]"
    return " [yellow](its filter has stopped)[/]"
