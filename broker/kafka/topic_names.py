"""Names of topics: which are legal, what a topic setting means, and what ours are called."""

from __future__ import annotations

import re
from collections.abc import Set

from broker.kafka.positions import TopicPartition
from broker.settings.kafka import TOPIC_CHARACTERS

MARKER = "published"
"""Ending of the marker topic's name; no filter may have it."""
_NAME = re.compile(f"{TOPIC_CHARACTERS}+")
# In a regular expression a dot stands for any character.
_LITERAL = re.compile("[A-Za-z0-9_-]+")


def is_pattern(topic: str) -> bool:
    """Whether a topic setting is a regular expression of topics rather than a legal name."""
    return _NAME.fullmatch(topic) is None


def matching(topic: str, partitions: Set[TopicPartition]) -> set[TopicPartition]:
    """Partitions of the topics that a topic setting means."""
    if is_pattern(topic):
        return {at for at in partitions if re.fullmatch(topic, at.topic)}
    return {at for at in partitions if at.topic == topic}


def common_prefix(topic: str) -> str:
    """Beginning of the names of all topics that a topic setting means; may be empty."""
    if not is_pattern(topic):
        return topic
    found = _LITERAL.match(topic)
    return found[0] if found is not None else ""


def topic_of(prefix: str, survey: str, name: str) -> str:
    """Topic of a filter's alerts.

    Examples
    --------
    >>> topic_of("nightjar", "ztf", "bright")
    'nightjar_ztf_bright'
    """
    return f"{prefix}_{survey}_{name}"


def marker_topic(prefix: str, survey: str) -> str:
    """Topic that says which batches were sent.

    Examples
    --------
    >>> marker_topic("nightjar", "ztf")
    'nightjar_ztf_published'
    """
    return topic_of(prefix, survey, MARKER)


def is_internal(topic: str) -> bool:
    """Whether a topic is Kafka's own, such as ``__consumer_offsets``."""
    return topic.startswith("__")
