"""Nights: integers YYYYMMDD, the date of UTC minus the survey's offset."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from broker.errors import UsageError

MJD_OF_UNIX_EPOCH = 40587.0


@dataclass(frozen=True)
class NightRange:
    """Nights ``first`` to ``last``, both included; all of them by default."""

    first: int = 0
    last: int = 99_999_999

    def __contains__(self, night: int) -> bool:
        return self.first <= night <= self.last


def night_of_mjd(mjd: float, offset_hours: float) -> int:
    """Night of a Modified Julian Date; the stream's own is `broker.ingest.decode.night_column`.

    Parameters
    ----------
    mjd
        Modified Julian Date in days (UTC).
    offset_hours
        Hours by which the night's date lags UTC (0 for ZTF, 12 for Rubin's dayObs).

    Returns
    -------
    int
        YYYYMMDD.

    Examples
    --------
    >>> night_of_mjd(60498.2, 0)
    20240707
    >>> night_of_mjd(60498.2, 12)
    20240706
    """
    days = int((mjd * 24.0 - offset_hours) // 24.0)
    date = dt.date(1858, 11, 17) + dt.timedelta(days=days)
    return date.year * 10_000 + date.month * 100 + date.day


def parse_night(text: str) -> int:
    """Night written as 20240707 or 2024-07-07.

    Raises
    ------
    UsageError
        The text is not a date.
    """
    compact = text.replace("-", "")
    if re.fullmatch(r"\d{8}", compact):
        try:
            dt.date(int(compact[:4]), int(compact[4:6]), int(compact[6:]))
        except ValueError:
            pass
        else:
            return int(compact)
    raise UsageError(f"{text!r} is not a night; write it as 20240707 or 2024-07-07")


def parse_one_night(text: str) -> int:
    """Night of an option that takes ranges elsewhere, but one night here.

    Raises
    ------
    UsageError
        The text is a range, or not a date.
    """
    first, last = parse_nights(text)
    if first != last:
        raise UsageError(f"{text!r} is a range of nights, and this takes one night")
    return first


def parse_nights(text: str) -> tuple[int, int]:
    """First and last night of ``A..B`` (both included) or of the single night ``A``.

    Raises
    ------
    UsageError
        An end is not a date, or the range runs backwards.
    """
    first_text, dots, last_text = text.partition("..")
    first = parse_night(first_text)
    last = parse_night(last_text) if dots else first
    if last < first:
        raise UsageError(f"nights {text!r} run backwards; write the earlier night first")
    return first, last
