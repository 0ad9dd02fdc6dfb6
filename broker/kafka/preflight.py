"""Preflight checks of a job's Kafka clusters, before Spark is started."""

from __future__ import annotations

from collections.abc import Mapping

from broker.errors import FatalError
from broker.kafka.cluster import KafkaCluster
from broker.kafka.topic_names import is_internal, is_pattern
from broker.nearest import nearest_first

_PATIENCE_SECONDS = 10.0
_SHOWN = 10


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
        Names the address and the topics that there are.
    """
    known = KafkaCluster(options, _PATIENCE_SECONDS, "kafka.servers").topics()
    if not is_pattern(topic) and topic not in known:
        names = nearest_first(topic, (name for name in known if not is_internal(name)))
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise FatalError(
            f"there is no topic {topic} at {options['bootstrap.servers']}{_seen_by(options)} "
            f"(topics: {shown or 'none'}); send something into it first, or set kafka.input_topic"
        )


def check_output(options: Mapping[str, str], patience_seconds: float) -> None:
    """Make sure that the output cluster answers, and accepts our login.

    Raises
    ------
    FatalError
        Names the address and what is wrong.
    """
    KafkaCluster(options, patience_seconds).topics()


def _seen_by(options: Mapping[str, str]) -> str:
    user = options.get("sasl.username")
    return f" that the user {user} may see" if user else ""
