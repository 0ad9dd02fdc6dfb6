"""The nearest known name: of the same last part elsewhere, or of like spelling."""

from __future__ import annotations

import pytest

from broker.nearest import did_you_mean, nearest, nearest_first, nearest_path

PATHS = [
    *("mag", "mjd", "lightcurve", "lightcurve.mjd"),
    *("real_bogus", "real_bogus.score", "candidate", "candidate.drb"),
]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("drb", "candidate.drb"),
        ("candidate.dbr", "candidate.drb"),
        ("candidat.drb", "candidate.drb"),
        ("scor", "real_bogus.score"),
        ("magg", "mag"),
        ("MJD", "mjd"),
        ("qqqqqqq", None),
    ],
)
def test_the_nearest_path_is_found(path: str, near: str | None) -> None:
    assert nearest_path(path, PATHS) == near


def test_a_word_like_none_of_the_known_ones_has_no_nearest() -> None:
    assert nearest("zzz", ["framing", "schema"]) is None


def test_names_are_sorted_by_likeness_then_by_name() -> None:
    assert nearest_first("ztf_a", ["b", "lsst_a", "a", "ztf_b"])[0] == "ztf_b"
    assert nearest_first("x", ["b", "a"]) == ["a", "b"]


def test_a_hint_names_the_nearest_word_or_else_all() -> None:
    assert did_you_mean("schem", ["framing", "schema"], "ingest.") == "did you mean ingest.schema?"
    assert did_you_mean("zzz", ["framing", "schema"]) == "known: framing, schema"
