"""``nightjar topics``: what there is to subscribe to."""

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
    """What a subscriber wants to know about a topic."""

    topic: str
    sentence: str
    alerts: int
    alerts_last_day: int
    retention_days: float | None
    payload: str
    schema_fingerprint: str
    active: bool


def main(
    survey: SurveyOption = None,
    servers: ServersOption = None,
    as_json: JsonOption = False,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """List the topics of filtered alerts: sentence, rate, retention, schema.

    Asks Kafka alone, so it works wherever the topics can be read.
    """
    settings = load_settings(survey, conf, words)
    options = settings.kafka.output_options()
    lines = read_lines(settings, options | ({"bootstrap.servers": servers} if servers else {}))
    if as_json:
        typer.echo(as_strict_json([asdict(line) for line in lines], indent=2))
    else:
        _show(lines)


def read_lines(settings: Settings, options: dict[str, str]) -> list[TopicLine]:
    """One line per filter that has ever run, by name.

    Raises
    ------
    UsageError
        Nothing has been published there.
    """
    from broker.kafka.cluster import Topics
    from broker.sinks.marker_topic import NAME, read_marker_topic, topic_of

    topics = Topics(options, _PATIENCE_SECONDS)
    marker = topic_of(settings.kafka.output_prefix, settings.survey, NAME)
    known = topics.partitions()
    if marker not in known:
        raise UsageError(
            f"Kafka at {options['bootstrap.servers']} has no topic {marker}, so no distribute of "
            f"{settings.survey} has sent anything there; see --servers, --survey and "
            "kafka.output_prefix"
        )
    published = read_marker_topic(options, marker, known[marker], _PATIENCE_SECONDS)
    topics_of = [item.topic for item in published.filters.values() if item.topic in known]
    return _lines(published, topics.settings(topics_of, "retention.ms"))


def _lines(published: MarkerTopic, retention_ms: dict[str, str]) -> list[TopicLine]:
    lines = []
    for name, item in sorted(published.filters.items()):
        kept = retention_ms.get(item.topic)
        lines.append(
            TopicLine(
                topic=item.topic,
                sentence=item.description,
                alerts=_sent(published, name, published.batches),
                alerts_last_day=_sent(published, name, _last_day(published)),
                retention_days=int(kept) / _MS_PER_DAY if kept is not None else None,
                payload=item.payload,
                schema_fingerprint=item.schema_fingerprint,
                active=item.active,
            )
        )
    return lines


def _last_day(published: MarkerTopic) -> list[str]:
    since = dt.datetime.now(dt.UTC) - _DAY
    return [key for key, at in published.sent_at.items() if at > since]


def _sent(published: MarkerTopic, name: str, batches: Iterable[str]) -> int:
    return sum(
        count.matched
        for key in batches
        for count in published.batches[key].by_filter
        if count.name == name
    )


def _show(lines: list[TopicLine]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for line in lines:
        kept = f"{line.retention_days:g} days" if line.retention_days is not None else "unknown"
        status = "" if line.active else " [yellow](its filter does not run any more)[/]"
        console.print(f"[bold]{line.topic}[/]{status}", soft_wrap=True)
        console.print(f"    {line.sentence}", soft_wrap=True, markup=False)
        console.print(
            f"    {line.alerts_last_day} alerts in the last 24 h, {line.alerts} in all; kept "
            f"{kept}; {line.payload} packets, schema {line.schema_fingerprint}",
            soft_wrap=True,
        )
