"""What differs between surveys, as data: one frozen `Survey` in one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from broker.settings import PROJECT_ROOT
from broker.surveys.arrow_columns import ArrowColumns
from broker.surveys.photometry import Bands, Photometry, PhotometryReader
from broker.surveys.times import Clock

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
    """Where a decoded packet holds its time, position and ids.

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
        Dotted paths of what a one-line summary shows, after the ids. A packet is of the survey
        whose paths it has most of.
    """

    time: str
    alert_id: str
    object_id: tuple[str, ...]
    position: tuple[str, str]
    ids: tuple[str, ...]
    brief: tuple[str, ...]

    def absent(self, has: Callable[[str], bool]) -> int:
        """How many of the paths that tell surveys apart a packet lacks."""
        nameless = not any(map(has, self.object_id))
        return nameless + sum(not has(path) for path in (*self.position, *self.brief))


def closest_paths(
    candidates: Iterable[PacketPaths], has: Callable[[str], bool]
) -> PacketPaths | None:
    """Paths of the survey that a packet is of: time and alert id are there, and fewest lack.

    Parameters
    ----------
    candidates
        Of several that fit equally, the one with more paths, then the first, is taken.
    has
        Whether the packet has a path.

    Returns
    -------
    PacketPaths or None
        None: no candidate's time and alert id are there.
    """
    fitting = [paths for paths in candidates if has(paths.time) and has(paths.alert_id)]
    return min(fitting, key=lambda p: (p.absent(has), -len(p.brief)), default=None)


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
    photometry
        Reader of times and brightness: `broker.surveys.read_magnitudes.Magnitudes`,
        `broker.surveys.read_fluxes.Fluxes`, or one of the survey's own.
    quantities
        What science modules ask for by name → where this survey keeps it. A quantity that a
        survey lacks is null everywhere.
    histories
        Record of the alert → top-level list of the earlier ones, with fields of the same names.
    """

    records: tuple[str, ...]
    record_units: Mapping[str, str]
    photometry: PhotometryReader
    quantities: Mapping[str, str]
    histories: Mapping[str, str]

    @property
    def photometry_paths(self) -> tuple[str, ...]:
        """Fields that `read_photometry` needs."""
        return self.photometry.paths

    def read_photometry(self, packets: ArrowColumns, flux_zero_point: float) -> Photometry:
        """Photometry of a batch; `flux_zero_point` is the AB magnitude of the packets' flux 1."""
        return self.photometry.read(packets, flux_zero_point)


def field_units(record: str, names_by_unit: Mapping[str, str]) -> dict[str, str]:
    """Unit of each field of a record, by path, from the fields' names (in one text) by unit.

    Examples
    --------
    >>> field_units("candidate", {"deg": "ra dec", "": "candid"})
    {'candidate.ra': 'deg', 'candidate.dec': 'deg', 'candidate.candid': ''}
    """
    return {
        f"{record}.{name}": unit for unit, names in names_by_unit.items() for name in names.split()
    }


@dataclass(frozen=True)
class LightCurveClassifier:
    """The light-curve model of a survey.

    Parameters
    ----------
    model
        Its folder in ``broker/science/classifier/models``, and its name in the science table.
    classes
        What it tells apart; the first one's probability is the score.
    bands
        What it looks at, names of `broker.surveys.photometry.OPTICAL_BANDS`.
    """

    model: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]


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

    Parameters
    ----------
    name
        Name in settings, folders and topics.
    schema_version
        Folder below ``schemas/<name>/`` whose schema decides the raw table's columns.
    packet
        Paths of a packet's time, position and ids.
    clock
        What its times are.
    night_offset_hours
        A night is the date of (UTC − this many hours).
    first_light_mjd
        Earliest believable time (MJD).
    bands
        How it names filters.
    cutouts
        Top-level fields that hold images.
    science
        From the packet to the science table.
    subscriber_fields
        Top-level fields that clients of this survey's alerts look for → SQL over the science row.
    expressions
        Spark SQL over the packet's fields that stands in for a plain path of `packet`: of
        ``alert_id`` (bigint), ``object_id`` (string), ``ra_deg`` or ``dec_deg`` (double, ICRS).
    classifier
        The survey's light-curve model; without one the module ``classifier`` is off.
    answer
        What the survey wants to hear about its alerts, if anything.
    object_page
        Address of an object's public page, with ``{object_id}``.
    schemas
        Folder that has the folder ``<name>/<schema_version>``; Spark's workers get it with the
        survey, if that does not ship with Nightjar.
    light_curve_in
        What pictures of light curves show.
    """

    name: str
    schema_version: str
    packet: PacketPaths
    clock: Clock
    night_offset_hours: int
    first_light_mjd: float
    bands: Bands = field(hash=False, compare=False)
    cutouts: tuple[str, ...]
    science: ScienceMapping = field(hash=False, compare=False)
    subscriber_fields: Mapping[str, str] = field(hash=False, compare=False)
    expressions: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)
    classifier: LightCurveClassifier | None = None
    answer: Answer | None = field(default=None, hash=False, compare=False)
    object_page: str = ""
    light_curve_in: Literal["mag", "flux"] = "mag"
    schemas: Path = SCHEMAS_FOLDER

    @property
    def schema_folder(self) -> Path:
        """Folder with the reader schema's .avsc files."""
        return self.schemas / self.name / self.schema_version

    @property
    def alert_id(self) -> str:
        """SQL over the packet (bigint): unique per alert."""
        return self.expressions.get("alert_id", self.packet.alert_id)

    @property
    def object_id(self) -> str:
        """SQL over the packet (string): shared by all alerts of an object."""
        paths = self.packet.object_id
        plain = paths[0] if len(paths) == 1 else f"coalesce({', '.join(paths)})"
        return self.expressions.get("object_id", plain)

    @property
    def ra_deg(self) -> str:
        """SQL over the packet (double, degrees, ICRS)."""
        return self.expressions.get("ra_deg", self.packet.position[0])

    @property
    def dec_deg(self) -> str:
        """SQL over the packet (double, degrees, ICRS)."""
        return self.expressions.get("dec_deg", self.packet.position[1])

    @property
    def mjd(self) -> str:
        """SQL over the packet (double, days) of the alert's time, on the scale of `clock`.

        The scale may be TAI: nights and limits of what is believable do not need the 37 s.
        """
        return self.clock.sql(self.packet.time)

    @property
    def time_axis(self) -> str:
        """What the column ``mjd`` is, for axes."""
        return self.clock.label
