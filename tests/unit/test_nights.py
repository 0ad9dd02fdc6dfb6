"""A night is the date of UTC minus the survey's offset."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import UsageError
from broker.nights import night_of_mjd, parse_night, parse_nights

EPOCH = dt.datetime(1858, 11, 17, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("mjd", "offset_hours", "night"),
    [
        (0.0, 0, 18581117),
        (60498.0, 0, 20240707),
        (60497.999999, 0, 20240706),
        (60498.499999, 12, 20240706),
        (60498.5, 12, 20240707),
        (60310.0, 0, 20240101),
        (60369.5, 0, 20240229),
    ],
)
def test_a_night_changes_at_the_surveys_hour(mjd: float, offset_hours: int, night: int) -> None:
    assert night_of_mjd(mjd, offset_hours) == night


@given(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2050, 1, 1)), st.sampled_from([0, 12, 7]))
def test_a_night_is_the_date_of_the_shifted_time(moment: dt.datetime, offset_hours: int) -> None:
    # To the minute: a double holds an MJD to about a microsecond.
    moment = moment.replace(second=30, microsecond=0, tzinfo=dt.UTC)
    mjd = (moment - EPOCH) / dt.timedelta(days=1)
    date = moment - dt.timedelta(hours=offset_hours)
    assert night_of_mjd(mjd, offset_hours) == int(date.strftime("%Y%m%d"))


@pytest.mark.parametrize("text", ["20240229", "2024-02-29"])
def test_both_ways_of_writing_a_night_are_read(text: str) -> None:
    assert parse_night(text) == 20240229


@pytest.mark.parametrize("text", ["", "2024", "20230229", "20241301", "yesterday"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a night"):
        parse_night(text)


def test_a_range_has_both_ends_and_runs_forwards() -> None:
    assert parse_nights("20240101..2024-01-31") == (20240101, 20240131)
    assert parse_nights("20240101") == (20240101, 20240101)
    with pytest.raises(UsageError, match="run backwards"):
        parse_nights("20240131..20240101")
    with pytest.raises(UsageError, match="is not a night"):
        parse_nights("20240101..")
