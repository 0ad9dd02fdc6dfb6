"""What differs between surveys, as data: one frozen `Survey` in one file each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from broker.settings import PROJECT_ROOT

SCHEMAS_FOLDER = PROJECT_ROOT / "schemas"


@dataclass(frozen=True)
class PacketFields:
    """Where a decoded packet holds its time and ids, for code that reads packets without Spark.

    Parameters
    ----------
    time
        Dotted path of the time, in days on the survey's own scale.
    alert_id
        Dotted path of the id that is unique per alert.
    object_id
        Dotted paths; the first that is there and not null is the object's id.
    ids
        Names of all fields, at any depth, that hold an id of an alert or an object of this survey:
        what has to change together to make the same night a new one.
    """

    time: str
    alert_id: str
    object_id: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """The ingest side of a survey.

    The expressions are Spark SQL over the packet's own field names.

    Parameters
    ----------
    name
        Name in settings, folders and topics.
    schema_version
        Folder below ``schemas/<name>/`` whose schema decides the raw table's columns.
    alert_id
        Expression (bigint) that is unique per alert.
    object_id
        Expression (string) shared by all alerts of an object.
    ra_deg, dec_deg
        Expressions (double, degrees, ICRS).
    mjd_utc
        Expression (double, days) of the alert's time; its scale may be TAI, since nights and
        sanity limits do not need the 37 s.
    night_offset_hours
        A night is the date of (UTC − this many hours).
    first_light_mjd
        Earliest believable time (MJD).
    cutouts
        Top-level fields that hold images.
    packet
        Paths of a decoded packet's time and ids.
    """

    name: str
    schema_version: str
    alert_id: str
    object_id: str
    ra_deg: str
    dec_deg: str
    mjd_utc: str
    night_offset_hours: int
    first_light_mjd: float
    cutouts: tuple[str, ...]
    packet: PacketFields

    @property
    def schema_folder(self) -> Path:
        """Folder with the reader schema's .avsc files."""
        return SCHEMAS_FOLDER / self.name / self.schema_version
