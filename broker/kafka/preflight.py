"""What a job needs of its Kafka clusters, looked at before Spark is worth starting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from broker.errors import FatalError
from broker.kafka.cluster import Topics

_PATIENCE_SECONDS = 10.0
_SHOWN = 10
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def check_input(options: Mapping[str, str], topic: str) -> None:
    """Make sure that the input cluster answers and has the topic.

    Parameters
    ----------
    options
        Options of confluent-kafka; ``bootstrap.servers`` at least.
    topic
        A name, or a regular expression, whose topics may come later.

    Raises
    ------
    FatalError
        Names the address, and the topics that there are.
    """
    there = Topics(options, _PATIENCE_SECONDS, "kafka.servers").partitions()
    if _NAME.fullmatch(topic) and topic not in there:
        names = _nearest_first(topic, (name for name in there if not name.startswith("__")))
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise FatalError(
            f"there is no topic {topic} at {options['bootstrap.servers']}{_seen_by(options)} "
            f"(topics: {shown or 'none'}); send something into it first, or set kafka.input_topic"
        )


def check_output(options: Mapping[str, str], patience_seconds: float) -> None:
    """Make sure that the output cluster answers, and knows us.

    Raises
    ------
    FatalError
        Says what is wrong.
    """
    Topics(options, patience_seconds, "kafka.output_servers").partitions()


def _nearest_first(wanted: str, names: Iterable[str]) -> list[str]:
    """Names, those that look like the wanted one first."""
    return sorted(names, key=lambda name: (-SequenceMatcher(None, wanted, name).ratio(), name))


def _seen_by(options: Mapping[str, str]) -> str:
    user = options.get("sasl.username")
    return f" that the user {user} may see" if user else ""
