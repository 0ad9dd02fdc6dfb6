"""Identity of a packet: its alert and object, whichever survey wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from broker.packets.fields import value_at
from broker.surveys import SURVEYS, PacketPaths, closest_paths

# The packets that Nightjar itself sends out.
_SCIENCE = PacketPaths(
    time="mjd",
    alert_id="alert_id",
    object_id=("object_id",),
    position=("ra_deg", "dec_deg"),
    ids=("alert_id", "object_id"),
    brief=(
        *("mjd", "band", "mag", "mag_err", "is_positive", "ra_deg", "dec_deg"),
        *("n_detections", "age_days", "real_bogus.score", "classifier.score"),
    ),
)


def paths_of(record: Mapping[str, Any]) -> PacketPaths | None:
    """Paths of the survey that the record belongs to, as its fields show; None if unknown."""
    return closest_paths(_candidates(), lambda path: value_at(record, path) is not None)


def alert_id_of(record: Mapping[str, Any]) -> str | None:
    """Id of the alert, None where no known survey's is there."""
    for paths in _candidates():
        value = value_at(record, paths.alert_id)
        if value is not None:
            return str(value)
    return None


def object_id_of(record: Mapping[str, Any]) -> str | None:
    """Id of the object that the alert is of, None where no known survey's is there."""
    for paths in _candidates():
        for path in paths.object_id:
            value = value_at(record, path)
            if value is not None:
                return str(value)
    return None


def _candidates() -> Iterator[PacketPaths]:
    yield _SCIENCE
    for survey in SURVEYS.values():
        yield survey.packet
