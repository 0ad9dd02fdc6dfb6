"""What differs between surveys, as data: one frozen `Survey` in one file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from broker.settings import PROJECT_ROOT
from broker.surveys.arrow_columns import ArrowColumns
from broker.surveys.photometry import Photometry

SCHEMAS_FOLDER = PROJECT_ROOT / "schemas"

QUANTITIES = {
    "drb": "real-bogus score of ZTF's deep network, 0–1",
    "drbversion": "version of that network; empty when it did not run",
    "rb": "real-bogus score of ZTF's random forest, 0–1",
    "reliability": "real-bogus score of LSST, 0–1",
    "jd": "start of exposure, JD UTC",
    "magpsf": "PSF magnitude of the difference",
    "ndethist": "detections of 3σ and better at this position so far, this one included",
    "sgscore1": "how star-like the nearest PS1 source is, 0–1",
    "distpsnr1": "distance to the nearest PS1 source, arcsec",
    "ssdistnr": "distance to the nearest known solar-system object, arcsec",
    "ssmagnr": "predicted magnitude of that object",
    "ssnamenr": "name of that object",
    "prv_jd": "start of exposure of each history entry, JD UTC",
    "prv_magpsf": "PSF magnitude of each history entry, null for an upper limit",
    "ss_object_id": "solar-system object that the survey itself assigned the detection to",
}
"""What science modules may ask for by name, whatever a survey calls it."""


@dataclass(frozen=True)
class PacketPaths:
    """Where a decoded packet holds its time, place and ids, for code that reads without Spark.

    Parameters
    ----------
    time
        Dotted path of the time, in days on the survey's own scale.
    alert_id
        Dotted path of the id that is unique per alert.
    object_id
        Dotted paths; the first that is there and not null is the object's id.
    position
        Dotted paths of right ascension and declination, in degrees.
    ids
        Names of all fields, at any depth, that hold an id of an alert or an object of this survey:
        what has to change together to make the same night a new one.
    brief
        Dotted paths of what a one-line summary shows, after the ids.
    """

    time: str
    alert_id: str
    object_id: tuple[str, ...]
    position: tuple[str, str]
    ids: tuple[str, ...]
    brief: tuple[str, ...]


@dataclass(frozen=True)
class ScienceMapping:
    """How a survey's packets become the columns that all surveys share.

    A path is a field of the packet, dotted (``candidate.jd``, ``prv_candidates.jd``).

    Parameters
    ----------
    records
        Top-level records that every science row keeps to the letter.
    record_units
        Unit of each field of those records, by path; ``""`` is a pure number or a name.
    photometry_paths
        Fields that `read_photometry` needs.
    read_photometry
        Packets and the AB magnitude of their flux 1 → photometry.
    quantities
        What science modules ask for by name → where this survey keeps it. A quantity that a
        survey lacks is null everywhere.
    histories
        Record of the alert → top-level list of the earlier ones, with fields of the same names.
    """

    records: tuple[str, ...]
    record_units: Mapping[str, str]
    photometry_paths: tuple[str, ...]
    read_photometry: Callable[[ArrowColumns, float], Photometry]
    quantities: Mapping[str, str]
    histories: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the survey wants back for each alert: a message in its own schema.

    Parameters
    ----------
    schema_file
        The message's schema.
    fields
        Field of the message → SQL over the science row and `raw_fields`.
    raw_fields
        Top-level fields of the packet that the message needs and the science row lacks.
    """

    schema_file: Path
    fields: Mapping[str, str]
    raw_fields: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """All that differs between surveys.

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
    science
        From the packet to the science table.
    subscriber_fields
        Top-level fields that clients of this survey's alerts look for → SQL over the science row.
    answer
        What the survey wants to hear about its alerts, if anything.
    object_page
        Address of an object's public page, with ``{object_id}``.
    light_curve_in
        What pictures of light curves show.
    time_axis
        What the column ``mjd`` is, for axes.
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
    packet: PacketPaths
    science: ScienceMapping = field(hash=False, compare=False)
    subscriber_fields: Mapping[str, str] = field(hash=False, compare=False)
    answer: Answer | None = field(default=None, hash=False, compare=False)
    object_page: str = ""
    light_curve_in: Literal["mag", "flux"] = "mag"
    time_axis: str = "MJD (TAI, midpoint)"

    @property
    def schema_folder(self) -> Path:
        """Folder with the reader schema's .avsc files."""
        return SCHEMAS_FOLDER / self.name / self.schema_version
