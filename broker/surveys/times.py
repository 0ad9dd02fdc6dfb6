"""Times of packets: Julian dates on UTC or TAI, and the midpoint of an exposure in TAI."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Literal

import erfa
import numpy as np

from broker.surveys.arrow_columns import ArrowColumns
from broker.units import Floats

JD_OF_MJD_0 = 2400000.5
SECONDS_PER_DAY = 86400.0
_SCALE_NAMES = {"utc": "UTC", "tai": "TAI"}
_MOMENT_NAMES = {"start": "start of exposure", "midpoint": "midpoint"}


@dataclass(frozen=True)
class Clock:
    """What a survey means by the time of a packet.

    Parameters
    ----------
    form
        ``jd`` or ``mjd``: days since which zero.
    scale, moment
        ``utc`` or ``tai``; ``start`` or ``midpoint`` of the exposure.
    exposure
        Path of the exposure time (s), for times of the start.
    default_exposure_seconds
        Where the packet gives none.
    """

    form: Literal["jd", "mjd"] = "mjd"
    scale: Literal["utc", "tai"] = "tai"
    moment: Literal["start", "midpoint"] = "midpoint"
    exposure: str = ""
    default_exposure_seconds: float = 0.0

    @property
    def label(self) -> str:
        """What an axis of these times is called, such as ``MJD (UTC, start of exposure)``."""
        return f"MJD ({_SCALE_NAMES[self.scale]}, {_MOMENT_NAMES[self.moment]})"

    @property
    def paths(self) -> tuple[str, ...]:
        """Fields that `mid_tai` reads."""
        return (self.exposure,) if self.exposure else ()

    def sql(self, path: str) -> str:
        """Expression of the MJD, on this scale, of a field."""
        return f"{path} - {JD_OF_MJD_0}" if self.form == "jd" else path

    def mjd(self, times: Floats) -> Floats:
        """MJD, on this scale, of values of the field."""
        return times - JD_OF_MJD_0 if self.form == "jd" else times

    def mid_tai(self, packets: ArrowColumns, mjd: Floats) -> Floats:
        """Midpoint of each alert's exposure, MJD TAI; `mjd` is on this scale."""
        mid = mjd
        if self.moment == "start":
            seconds = np.full(packets.n_rows, self.default_exposure_seconds)
            if self.exposure:
                given = packets.floats(self.exposure)
                seconds = np.where(given > 0, given, seconds)
            mid = mid + seconds / 2.0 / SECONDS_PER_DAY
        if self.scale == "utc":
            mid = mid + _tai_minus_utc_seconds(mid) / SECONDS_PER_DAY
        return mid


def _tai_minus_utc_seconds(mjd_utc: Floats) -> Floats:
    starts, seconds = _leap_seconds()
    step = np.searchsorted(starts, mjd_utc, side="right") - 1
    return seconds[np.maximum(step, 0)]


@cache
def _leap_seconds() -> tuple[Floats, Floats]:
    """MJD from which each TAI − UTC (seconds) holds, since 1972; erfa's copy of IERS Bulletin C."""
    table = erfa.leap_seconds.get()
    table = table[table["year"] >= 1972]
    starts = [
        (dt.date(year, month, 1) - dt.date(1858, 11, 17)).days
        for year, month in table[["year", "month"]].tolist()
    ]
    return np.array(starts, dtype=np.float64), table["tai_utc"].astype(np.float64)
