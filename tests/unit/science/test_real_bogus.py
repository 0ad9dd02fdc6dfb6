"""real_bogus against the packets' own scores."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from broker.science.engine.module import ModuleAlerts
from broker.science.lightcurves.build import LightCurves
from broker.science.modules.real_bogus import RealBogus
from broker.settings import ScienceSettings
from tests.recorded_packets import Computed


def score_of(survey: str, no_curves: LightCurves, **inputs: object) -> dict[str, object]:
    module = RealBogus(survey, ScienceSettings(modules=()))
    arrays = {
        "drb": pa.array([inputs.get("drb")], pa.float32()),
        "drbversion": pa.array([inputs.get("drbversion")], pa.string()),
        "rb": pa.array([inputs.get("rb")], pa.float32()),
        "reliability": pa.array([inputs.get("reliability")], pa.float32()),
    }
    values, errors = module.run(ModuleAlerts(arrays, 1, no_curves, frozenset()))
    assert not errors
    return values[0].as_py()


def test_score_is_drb_or_else_rb_on_every_real_packet(ztf: Computed) -> None:
    sources: Counter[str] = Counter()
    for packet, row in zip(ztf.packets, ztf.rows, strict=True):
        candidate, found = packet["candidate"], row["real_bogus"]
        deep = candidate.get("drb") is not None and candidate["drbversion"] != ""
        source = "drb" if deep else "rb"
        threshold = 0.5 if deep else 0.55
        score = candidate[source]
        assert found == {
            "score": score,
            "source": source,
            "threshold": threshold,
            "is_real": score >= threshold,
        }
        sources[source] += 1
    assert min(sources["drb"], sources["rb"]) > 100


@pytest.mark.parametrize(
    ("inputs", "score", "source"),
    [
        ({"drb": 0.75, "drbversion": "d6_m7", "rb": 0.25}, 0.75, "drb"),
        ({"drb": 0.0, "drbversion": "", "rb": 0.25}, 0.25, "rb"),
        ({"drb": 0.75, "drbversion": None, "rb": 0.25}, 0.75, "drb"),
        ({"drb": None, "drbversion": "d6_m7", "rb": 0.25}, 0.25, "rb"),
        ({"drb": -999.0, "drbversion": "d6_m7", "rb": 0.25}, 0.25, "rb"),
        ({"reliability": 0.5}, 0.5, "reliability"),
        ({}, None, None),
    ],
)
def test_the_first_classifier_with_a_score_counts(
    no_curves: LightCurves, inputs: dict[str, object], score: float | None, source: str | None
) -> None:
    found = score_of("ztf", no_curves, **inputs)
    assert (found["score"], found["source"]) == (score, source)


def test_a_score_at_the_threshold_is_real(no_curves: LightCurves) -> None:
    assert score_of("lsst", no_curves, reliability=0.5)["is_real"] is True
    assert score_of("lsst", no_curves, reliability=0.499)["is_real"] is False


def test_without_a_score_there_is_no_verdict(no_curves: LightCurves) -> None:
    assert set(score_of("ztf", no_curves).values()) == {None}
