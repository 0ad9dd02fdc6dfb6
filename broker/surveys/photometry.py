"""Photometry of a batch of alerts in one form for all surveys: flat NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker.surveys.arrow_columns import Bools, Ints
from broker.units import Floats

Codes = NDArray[np.int8]

BANDS = ("u", "g", "r", "i", "z", "y")
"""Filters in order of wavelength; a band code is a position in here, −1 is "unknown"."""
KINDS = ("detection", "upper_limit", "forced")
DETECTION, UPPER_LIMIT, FORCED = 0, 1, 2
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


def band_codes(names: pa.StringArray, spelling: dict[str, str]) -> Codes:
    """Codes of a survey's filter names; a name that is not in `spelling` gives −1."""
    encoded = names.dictionary_encode()
    known = [
        BANDS.index(spelling[n]) if n in spelling else -1 for n in encoded.dictionary.to_pylist()
    ]
    codes = np.array([*known, -1], dtype=np.int8)
    indices = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
    return np.asarray(codes[indices], dtype=np.int8)
