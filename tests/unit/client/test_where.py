"""Expressions that choose alerts."""

from __future__ import annotations

from typing import Any

import pytest

from broker.client.where import Where, unknown_field_error
from broker.errors import UsageError

ALERT: dict[str, Any] = {
    "objectId": "ZTF18abc",
    "candid": 1_234_567_890_123_456_789,
    "candidate": {"drb": 0.9, "isdiffpos": "t", "ssdistnr": -999.0, "fid": 2, "rb": None},
    "prv_candidates": [{}, {}],
    "diaObject": None,
    "owner": "it's AND a \\b",
    "is_positive": True,
}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("candidate.drb > 0.5 and candidate.isdiffpos == 't'", True),
        ("candidate.drb > 0.5 AND candidate.isdiffpos = 'f'", False),
        ("candidate.drb > 0.5 OR nothing = 1", True),
        ("0.5 < candidate.drb <= 0.9", True),
        ("candidate.drb BETWEEN 0.5 AND 0.8", False),
        ("candidate.drb not between 0.5 and 0.8", True),
        ("abs(candidate.ssdistnr) BETWEEN 998 AND 1000", True),
        ("(candidate.drb) NOT BETWEEN 0.5 AND 0.8 AND candidate.fid = 2", True),
        ("owner = 'it''s AND a \\b'", True),
        ("(candidate.ssdistnr BETWEEN -1000 AND 5) AND candidate.fid <> 1", True),
        ("candidate.ssdistnr < 0", True),
        ("candidate.fid in (1, 2)", True),
        ("candidate.isdiffpos IN ('t')", True),
        ("candidate.isdiffpos in ('this')", False),
        ("candidate.isdiffpos NOT IN ('f', '0')", True),
        ("objectId == 'a AND b = c'", False),
        ("candid = 1234567890123456789", True),
        ("candid = 1234567890123456788", False),
        ("candid % 113 = 63", 1_234_567_890_123_456_789 % 113 == 63),
        ("is_positive", True),
        ("NOT is_positive", False),
        ("len(prv_candidates) >= 2", True),
        ("abs(candidate.ssdistnr) / 2 > 400", True),
        ("-candidate.drb < 0", True),
        ("1 / (candidate.fid - 2) > 0", False),
    ],
)
def test_python_and_sql_spelling_choose_the_same_alerts(text: str, chosen: bool) -> None:
    assert Where(text)(ALERT) is chosen


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("candidate.rb > 0.5", False),
        ("not candidate.rb > 0.5", False),
        ("not (candidate.rb > 0.5 and candidate.drb > 0.95)", True),
        ("candidate.rb > 0.5 or candidate.drb > 0.5", True),
        ("candidate.rb is null", True),
        ("candidate.rb IS NOT NULL", False),
        ("candidate.rb is None", True),
        ("diaObject.ra > 0", False),
        ("diaObject.ra IS NULL", True),
        ("coalesce(candidate.rb, candidate.drb) > 0.5", True),
        ("candidate.rb + 1 > 0", False),
        ("candidate.rb == null", False),
        ("candidate.rb in (1, 2)", False),
        ("abs(candidate.rb) >= 0", False),
    ],
)
def test_what_comes_from_null_is_null_and_null_is_no(text: str, chosen: bool) -> None:
    assert Where(text)(ALERT) is chosen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "candidate.drb >",
        "__import__('os').system('true')",
        "open('x')",
        "candidate.drb.__class__()",
        "[x for x in prv_candidates]",
        "lambda: 1",
        "prv_candidates[0]",
        "'a' 'b' if 1 else 2",
        "candidate.fid ** 9",
        "candidate.fid is 2",
        "objectId in candidate",
        "f'{objectId}'",
        "(" * 300 + ")" * 300,
        "not " * 5000 + "is_positive",
        "abs(1, 2)",
        "candidate.drb - candidate.rb BETWEEN 0 AND 2",
        "candidate.drb BETWEEN - 3 AND 1",
        "1; 2",
    ],
)
def test_anything_else_is_refused_before_any_alert_is_read(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read the expression"):
        Where(text)


def test_a_between_that_cannot_be_read_says_how_to_write_it() -> None:
    with pytest.raises(UsageError, match=r"needs brackets: \(a - b\) between 0 and 2"):
        Where("candidate.drb - candidate.fid between 0 and 2")
    assert Where("(candidate.fid - candidate.drb) between 0 and 2")(ALERT)
    with pytest.raises(UsageError, match="write low <= x and x <= high"):
        Where("abs(coalesce(candidate.rb, candidate.drb)) between 0 and 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("candidate.drb > 'high'", "compares the value 0.9 with the value 'high'"),
        ("candidate.drb", "asks whether the value 0.9 is true"),
        ("candidate and is_positive", "asks whether a record is true"),
        ("objectId * 1000 = 1", "calculates with the value 'ZTF18abc'"),
        ("len(candid) > 1", r"takes len\(\) of"),
    ],
)
def test_a_type_that_does_not_fit_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Where(text)(ALERT)


def test_the_fields_of_an_expression_are_known() -> None:
    where = Where("candidate.drb > 0.5 and (abs(candidate.rb) > 1 or is_positive)")
    assert where.fields == ["candidate.drb", "candidate.rb", "is_positive"]
    assert where.unknown_field(["candidate.drb", "is_positive"]) == "candidate.rb"


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("candidate.drbb", "did you mean candidate.drb?"),
        ("drb", "did you mean candidate.drb?"),
        ("xyz", "which the alerts do not have"),
    ],
)
def test_an_unknown_field_comes_with_the_nearest(field: str, hint: str) -> None:
    error = unknown_field_error(Where(f"{field} > 1"), field, ["objectId", "candidate.drb"])
    assert field in str(error)
    assert hint in str(error)
