"""solar_system against the rules read one packet at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.recorded_packets import Computed, Packet


def null_is_minus_999(value: float | None) -> float:
    return -999.0 if value is None else value


def code_by_the_rules(packet: Packet) -> int:
    """Fink's roid, read from DESIGN's wording, on the packet's own values."""
    candidate, history = packet["candidate"], packet["prv_candidates"] or []
    star_score = null_is_minus_999(candidate.get("sgscore1"))
    star_distance = null_is_minus_999(candidate.get("distpsnr1"))
    object_distance = null_is_minus_999(candidate.get("ssdistnr"))
    ndethist = candidate["ndethist"]
    nal = 1 + sum(1 for entry in history if entry.get("magpsf") is not None)
    code = 0
    if ndethist == 1:
        code = 1
    if star_score < 0.76 and ndethist <= 2:
        code = 2
    if 0 < star_distance < 5:
        code = 0
    if nal == 2 and abs(candidate["jd"] - history[-1]["jd"]) * 24 * 60 > 30:
        code = 0
    if ndethist == 2 and nal == 1:
        code = 0
    near = 0 <= object_distance < 5 and abs(star_distance) > object_distance
    if near and ndethist <= 5 and nal <= 5:
        code = 3
    return code


def test_code_follows_the_rules_on_every_real_packet(ztf: Computed) -> None:
    expected = [code_by_the_rules(packet) for packet in ztf.packets]
    assert [row["solar_system"]["code"] for row in ztf.rows] == expected
    assert set(expected) == {0, 1, 2, 3}, Counter(expected)


def test_candidate_is_code_two_and_nothing_else(ztf: Computed) -> None:
    for row in ztf.rows:
        solar_system = row["solar_system"]
        assert solar_system["is_candidate"] == (solar_system["code"] == 2)


def test_match_is_the_survey_s_own_with_sentinels_gone(ztf: Computed) -> None:
    for packet, row in zip(ztf.packets, ztf.rows, strict=True):
        candidate, found = packet["candidate"], row["solar_system"]
        if candidate["ssdistnr"] in (None, -999.0):
            expected: dict[str, Any] = dict.fromkeys(("name", "distance_arcsec", "predicted_mag"))
        else:
            expected = {
                "name": candidate["ssnamenr"],
                "distance_arcsec": candidate["ssdistnr"],
                "predicted_mag": candidate["ssmagnr"],
            }
        assert {key: found[key] for key in expected} == expected
        distance = expected["distance_arcsec"]
        assert found["is_known"] == (distance is not None and distance < 5)


def test_a_match_at_distance_zero_is_known(ztf: Computed) -> None:
    at_zero = [
        row["solar_system"]
        for packet, row in zip(ztf.packets, ztf.rows, strict=True)
        if packet["candidate"]["ssdistnr"] == 0.0
    ]
    assert len(at_zero) > 100
    assert all(found["is_known"] and found["distance_arcsec"] == 0.0 for found in at_zero)


@pytest.mark.parametrize("name", ["real_bogus", "solar_system"])
def test_elasticc_has_neither_asteroids_nor_bogus_scores(elasticc: Computed, name: str) -> None:
    assert all(set(row[name].values()) == {None} for row in elasticc.rows)
