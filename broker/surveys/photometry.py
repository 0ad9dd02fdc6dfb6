"""Photometry of a batch of alerts in one form for all surveys: flat NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, Self

import numpy as np

from broker.surveys.arrow_columns import ArrowColumns, Bools, Codes, Ints
from broker.units import Floats

OPTICAL_BANDS = ("u", "g", "r", "i", "z", "y")
BANDS = (*OPTICAL_BANDS, "J", "H", "K")
"""Filters in order of wavelength; a band code is a position in here, −1 is "unknown"."""
KINDS = ("detection", "upper_limit", "forced")
DETECTION, UPPER_LIMIT, FORCED = 0, 1, 2
FORCED_MIN_SNR = 3.0
"""Forced photometry has a magnitude from this signal-to-noise ratio on."""
NO_ID = -1
"""Alert id of what has none; real ids are positive."""


@dataclass(frozen=True)
class Points:
    """Photometric points of many alerts, in any order; every attribute has shape (n_points,).

    Attributes
    ----------
    owner
        The alert, by its position in the batch, whose light curve the point belongs to.
    mjd
        Days, the survey's own scale.
    band, kind
        Positions in `BANDS` and `KINDS`.
    flux_njy, flux_err_njy, mag, mag_err, mag_limit
        Difference photometry (nJy, AB mag); NaN is missing.
    sign
        1 brighter than the reference, −1 fainter, 0 not measured.
    alert_id
        Alert that the point itself came with, or `NO_ID`.
    real_bogus
        That alert's score, 0–1; NaN is missing.
    ra_deg, dec_deg
        Position of the point (ICRS); NaN is missing.
    """

    owner: Ints
    mjd: Floats
    band: Codes
    kind: Codes
    flux_njy: Floats
    flux_err_njy: Floats
    mag: Floats
    mag_err: Floats
    mag_limit: Floats
    sign: Codes
    alert_id: Ints
    real_bogus: Floats
    ra_deg: Floats
    dec_deg: Floats

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, chosen: Ints | Bools) -> Self:
        """Points at these positions, or where a mask is true."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All parts, one after the other."""
        names = [f.name for f in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


@dataclass(frozen=True)
class Photometry:
    """What a survey's packets say of brightness and time; per-alert arrays have shape (n_alerts,).

    Attributes
    ----------
    this
        The alert's own detection, one point per alert, in order.
    history
        Earlier detections, upper limits and forced photometry, as the packets carry them.
    mjd_tai_mid
        Midpoint of the exposure, TAI days.
    n_detections
        Detections so far, this one included; −1 is missing.
    first_mjd
        First detection as the survey knows it (days, scale of ``this.mjd``); NaN: it doesn't say.
    """

    this: Points
    history: Points
    mjd_tai_mid: Floats
    n_detections: Ints
    first_mjd: Floats


class PhotometryReader(Protocol):
    """How a survey's packets say time and brightness."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Fields of the packet that `read` needs, dotted."""

    def read(self, packets: ArrowColumns, flux_zero_point: float) -> Photometry:
        """Photometry of a batch; `flux_zero_point` is the AB magnitude of the packets' flux 1."""


@dataclass(frozen=True)
class Bands:
    """How a survey spells its filters.

    Parameters
    ----------
    spelling
        Value in a packet or in a table of light curves → name in `BANDS`.
    field
        Field, of each record with photometry, that names the filter; empty: the camera has one
        filter, the only one in `spelling`.
    """

    spelling: Mapping[str | int, str]
    field: str = ""

    def codes(self, packets: ArrowColumns, record: str, n_points: int) -> Codes:
        """Band code of each point of a record, shape (n_points,)."""
        if not self.field:
            (only,) = set(self.spelling.values())
            return np.full(n_points, BANDS.index(only), dtype=np.int8)
        code_of = {value: BANDS.index(band) for value, band in self.spelling.items()}
        return packets.codes(path_in(record, self.field), code_of, -1)


def path_in(record: str, name: str) -> str:
    """Path of a field of a record; an empty record is the packet itself."""
    return f"{record}.{name}" if record else name


def floats_or_nan(packets: ArrowColumns, record: str, name: str, n_points: int) -> Floats:
    """Values of a record's field; NaN where the survey has no such field (an empty name)."""
    return packets.floats(path_in(record, name)) if name else np.full(n_points, np.nan)


def ids_or_none(packets: ArrowColumns, record: str, name: str, n_points: int) -> Ints:
    """Alert ids of a record's field; `NO_ID` where the survey has no such field (an empty name)."""
    return packets.integers(path_in(record, name), NO_ID) if name else np.full(n_points, NO_ID)


def score_or_nan(score: Floats) -> Floats:
    """Real-bogus scores; NaN outside 0–1."""
    return np.where((score >= 0) & (score <= 1), score, np.nan)
