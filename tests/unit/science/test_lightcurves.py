"""Light curves against the packets read entry by entry."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import angular_separation

from broker.science.lightcurves.build import build_lightcurves
from broker.surveys.photometry import DETECTION, FORCED, UPPER_LIMIT, Photometry, Points
from tests.recorded_packets import Computed, Packet

Point = dict[str, Any]
BAND_OF_FID = {1: "g", 2: "r", 3: "i"}
KIND_ORDER = {"detection": 0, "upper_limit": 1, "forced": 2}
BANDS = "ugrizy"


def ztf_point(entry: Packet, alert_id: int | None) -> Point | None:
    """A detection or an upper limit of a ZTF packet, by DESIGN's rules."""
    limit = entry.get("diffmaglim")
    limit = limit if limit is not None and limit > 0 else None
    point: Point = {
        "mjd": entry["jd"] - 2400000.5,
        "band": BAND_OF_FID[entry["fid"]],
        "mag_limit": limit,
    }
    if entry.get("magpsf") is None:
        if limit is None:
            return None
        nothing = ("flux_njy", "mag", "mag_err", "is_positive", "alert_id", "real_bogus")
        flux_err = 10 ** (0.4 * (31.4 - limit)) / 5
        return point | dict.fromkeys(nothing) | {"kind": "upper_limit", "flux_err_njy": flux_err}
    positive = entry["isdiffpos"] in ("t", "1")
    size = 10 ** (0.4 * (31.4 - entry["magpsf"]))
    return point | {
        "kind": "detection",
        "flux_njy": size if positive else -size,
        "flux_err_njy": 0.4 * math.log(10) * size * entry["sigmapsf"],
        "mag": entry["magpsf"],
        "mag_err": entry["sigmapsf"],
        "is_positive": positive,
        "alert_id": alert_id,
        "real_bogus": entry.get("rb"),
    }


def forced_point(entry: Packet) -> Point | None:
    if entry["procstatus"] != "0" or entry["forcediffimflux"] <= -99998:
        return None
    scale = 10 ** (0.4 * (31.4 - entry["magzpsci"]))
    flux, error = entry["forcediffimflux"] * scale, entry["forcediffimfluxunc"] * scale
    seen = abs(flux) >= 3 * error
    return {
        "mjd": entry["jd"] - 2400000.5,
        "band": BAND_OF_FID[entry["fid"]],
        "mag_limit": entry["diffmaglim"],
        "kind": "forced",
        "flux_njy": flux,
        "flux_err_njy": error,
        "mag": 31.4 - 2.5 * math.log10(abs(flux)) if seen else None,
        "mag_err": 2.5 / math.log(10) * error / abs(flux) if seen else None,
        "is_positive": flux > 0,
        "alert_id": None,
        "real_bogus": None,
    }


def unique_detections(packet: Packet) -> Iterator[Point]:
    """One detection per epoch and band: the alert's own, the nearest, the largest id."""
    here = packet["candidate"]
    rivals = defaultdict(list)
    rivals[here["jd"], here["fid"]].append((0, 0.0, 0, ztf_point(here, packet["candid"])))
    for entry in packet["prv_candidates"] or []:
        if entry.get("magpsf") is not None:
            places = [math.radians(x) for x in (here["ra"], here["dec"], entry["ra"], entry["dec"])]
            number = entry["candid"]
            rank = (1, float(angular_separation(*places)), -number)
            rivals[entry["jd"], entry["fid"]].append((*rank, ztf_point(entry, number)))
    for group in rivals.values():
        yield min(group, key=lambda rival: rival[:3])[3]


def lightcurve_by_the_rules(packet: Packet) -> list[Point]:
    points = list(unique_detections(packet))
    for entry in packet["prv_candidates"] or []:
        if entry.get("magpsf") is None:
            points.append(ztf_point(entry, None))
    points += [forced_point(entry) for entry in packet.get("fp_hists") or []]
    found = [point for point in points if point is not None]
    return sorted(found, key=lambda p: (p["mjd"], BANDS.index(p["band"]), KIND_ORDER[p["kind"]]))


def assert_same_points(found: list[Point], expected: list[Point]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            if isinstance(value, float):
                assert one[name] == pytest.approx(value, rel=1e-12), name
            else:
                assert one[name] == value, name


def test_every_real_lightcurve_is_the_packet_s_by_the_rules(ztf: Computed) -> None:
    rivals = 0
    for packet, row in zip(ztf.packets, ztf.rows, strict=True):
        assert_same_points(row["lightcurve"], lightcurve_by_the_rules(packet))
        history = [e for e in packet["prv_candidates"] or [] if e.get("magpsf") is not None]
        rivals += 1 + len(history) - len(list(unique_detections(packet)))
    assert rivals > 100


def test_every_alert_is_in_its_lightcurve_once(ztf: Computed, elasticc: Computed) -> None:
    for computed, own in ((ztf, ztf_own), (elasticc, elasticc_own)):
        for packet, row in zip(computed.packets, computed.rows, strict=True):
            ids = [point["alert_id"] for point in row["lightcurve"]]
            assert ids.count(own(packet)) == 1


def ztf_own(packet: Packet) -> int:
    return packet["candid"]


def elasticc_own(packet: Packet) -> int:
    return packet["diaSource"]["diaSourceId"]


@pytest.mark.parametrize(
    ("fixture", "scale"), [("elasticc", 1.0), ("elasticc_prototype", 36.30781)]
)
def test_elasticc_fluxes_are_njy_on_both_scales(
    fixture: str, scale: float, request: pytest.FixtureRequest
) -> None:
    computed: Computed = request.getfixturevalue(fixture)
    histories = 0
    for packet, row in zip(computed.packets, computed.rows, strict=True):
        source = packet["diaSource"]
        assert row["flux_njy"] == pytest.approx(source["psFlux"] * scale, rel=1e-6)
        assert row["flux_err_njy"] == pytest.approx(source["psFluxErr"] * scale, rel=1e-6)
        assert row["is_positive"] == (source["psFlux"] > 0)
        assert row["mag"] == pytest.approx(31.4 - 2.5 * math.log10(abs(row["flux_njy"])))
        assert row["band"] == source["filterName"].lower()
        points = [source, *(packet["prvDiaSources"] or [])]
        forced = packet["prvDiaForcedSources"] or []
        kinds = [point["kind"] for point in row["lightcurve"]]
        assert kinds.count("detection") == len(points) == row["n_detections"]
        assert kinds.count("forced") == len(forced)
        times = [point["midPointTai"] for point in (*points, *forced)]
        assert [point["mjd"] for point in row["lightcurve"]] == sorted(times)
        assert row["age_days"] == source["midPointTai"] - min(p["midPointTai"] for p in points)
        histories += len(points) - 1
    assert histories > 100


def test_prototype_supernovae_are_as_bright_as_a_survey_sees_them(
    elasticc_prototype: Computed,
) -> None:
    mags = np.array([row["mag"] for row in elasticc_prototype.rows])
    assert 20 < np.median(mags) < 25


def test_sentinels_never_reach_our_columns(ztf: Computed, elasticc: Computed) -> None:
    def numbers(value: object) -> Iterator[float]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)
        elif isinstance(value, float):
            yield value

    for row in (*ztf.rows, *elasticc.rows):
        for value in numbers(row):
            assert value not in (-999.0, -9.0, 999.0)
            assert math.isfinite(value)


def test_last_limit_is_before_the_first_detection(ztf: Computed) -> None:
    found = 0
    for packet, row in zip(ztf.packets, ztf.rows, strict=True):
        first = packet["candidate"]["jdstarthist"] - 2400000.5
        limits = [p for p in row["lightcurve"] if p["kind"] == "upper_limit" and p["mjd"] < first]
        assert row["age_days"] == row["mjd"] - first
        if not limits:
            assert row["last_limit"] is None
            continue
        found += 1
        last = max(limits, key=lambda p: (p["mjd"], BANDS.index(p["band"])))
        assert row["last_limit"] == {
            "mjd": last["mjd"],
            "band": last["band"],
            "mag_limit": last["mag_limit"],
            "days_before_first": first - last["mjd"],
        }
    assert found > 100


def points(**columns: list[float]) -> Points:
    """Points of a single alert; what is not given is the same for all."""
    n = len(columns["mjd"])
    missing = np.full(n, np.nan)
    defaults = {
        "owner": np.zeros(n, dtype=np.int64),
        "band": np.ones(n, dtype=np.int8),
        "kind": np.full(n, DETECTION, dtype=np.int8),
        "sign": np.ones(n, dtype=np.int8),
        "alert_id": np.arange(1, n + 1),
        "flux_njy": np.ones(n),
        "flux_err_njy": np.ones(n),
        "mag": np.full(n, 20.0),
        "mag_err": np.full(n, 0.1),
        "mag_limit": missing,
        "real_bogus": missing,
        "ra_deg": missing,
        "dec_deg": missing,
    }
    given = {
        name: np.array(values, dtype=defaults.get(name, missing).dtype)
        for name, values in columns.items()
    }
    return Points(**(defaults | given))


def kept_ids(this: Points, history: Points) -> list[int]:
    n = len(this)
    photometry = Photometry(this, history, this.mjd, np.ones(n, dtype=np.int64), this.mjd)
    return build_lightcurves(photometry).alert_id.tolist()


def test_own_detection_wins_over_a_nearer_or_newer_one() -> None:
    this = points(mjd=[60000.0], alert_id=[5], ra_deg=[10.0], dec_deg=[0.0])
    history = points(mjd=[60000.0], alert_id=[9], ra_deg=[10.0], dec_deg=[0.0])
    assert kept_ids(this, history) == [5]


def test_the_nearest_of_several_detections_wins_across_ra_zero() -> None:
    this = points(mjd=[60001.0], alert_id=[5], ra_deg=[0.0], dec_deg=[60.0])
    history = points(
        mjd=[60000.0] * 3,
        alert_id=[7, 8, 9],
        ra_deg=[0.001, 359.9999, 0.0],
        dec_deg=[60.0, 60.0, 60.001],
    )
    assert kept_ids(this, history) == [8, 5]


def test_the_largest_id_wins_where_positions_do_not_tell() -> None:
    this = points(mjd=[60001.0], alert_id=[5], ra_deg=[0.0], dec_deg=[60.0])
    history = points(mjd=[60000.0] * 3, alert_id=[7, 9, 8])
    assert kept_ids(this, history) == [9, 5]


def test_limits_and_forced_points_stay_beside_a_detection() -> None:
    this = points(mjd=[60000.0], alert_id=[5])
    history = points(mjd=[60000.0] * 3, alert_id=[-1] * 3, kind=[FORCED, UPPER_LIMIT, FORCED])
    assert kept_ids(this, history) == [5, -1, -1, -1]


def test_a_point_without_a_time_is_left_out() -> None:
    this = points(mjd=[60000.0], alert_id=[5])
    assert kept_ids(this, points(mjd=[math.nan], alert_id=[4])) == [5]
