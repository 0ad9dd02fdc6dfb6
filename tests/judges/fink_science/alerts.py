"""ZTF alerts, made up by a seed, that take every branch of the fink-science modules."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tests.crafted import JD, ztf_history, ztf_record
from tests.recorded_packets import Packet

BLAZAR = "ZTF18abvjqkt"
"""An object of fink-science's list of blazars."""


def made_up_alerts(n_alerts: int, seed: int = 1) -> list[Packet]:
    """Alerts with histories of up to 12 points; every tenth is of `BLAZAR`, in g and r only."""
    rng = random.Random(seed)
    return [_alert(number, rng) for number in range(n_alerts)]


def _alert(number: int, rng: random.Random) -> Packet:
    is_blazar = number % 10 == 0
    bands = (1, 2) if is_blazar else (1, 1, 2, 2, 3)
    jd = JD + rng.random()
    times = sorted(jd - rng.choice((0.01, 0.03, 1.0, 9.0)) * (k + 1) for k in range(12))
    history = [_point(time, bands, rng) for time in times[: rng.choice((0, 1, 1, 2, 5, 12))]]
    scores = {
        "ndethist": rng.choice((1, 1, 2, 2, 4, 6)),
        "sgscore1": rng.choice((-999.0, 0.1, 0.5, 0.9)),
        "distpsnr1": rng.choice((-999.0, 0.0, 0.5, 4.0, 8.0)),
        "ssdistnr": rng.choice((-999.0, -999.0, 0.0, 2.0, 12.0)),
        "jdstarthist": jd - 20,
    }
    this = _limit(bands, rng) | _detection(rng) | scores
    record: Packet = ztf_record(number, jd, **this)
    if is_blazar:
        record["objectId"] = BLAZAR
    record["prv_candidates"] = history or rng.choice((None, []))
    return {name: value for name, value in record.items() if not name.startswith("cutout")}


def _point(jd: float, bands: Sequence[int], rng: random.Random) -> Any:
    detection = _detection(rng) if rng.random() < 0.4 else {}
    return ztf_history(jd, **_limit(bands, rng), **detection)


def _limit(bands: Sequence[int], rng: random.Random) -> dict[str, Any]:
    return {"fid": rng.choice(bands), "diffmaglim": rng.uniform(19, 21)}


def _detection(rng: random.Random) -> dict[str, Any]:
    return {
        "magpsf": rng.uniform(16, 20),
        "sigmapsf": rng.uniform(0.02, 0.2),
        "isdiffpos": rng.choice("tf10"),
        "distnr": rng.uniform(0, 5),
        "magnr": rng.uniform(16, 21),
        "sigmagnr": rng.uniform(0.02, 0.2),
    }
