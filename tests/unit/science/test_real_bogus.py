"""real_bogus against the packets' own scores."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from broker.science.modules import real_bogus
from tests.recorded_packets import Computed


def score_of(**inputs: object) -> dict[str, object]:
    words = pd.Series([inputs.get("drbversion")], dtype=object)
    drb, rb, reliability = (
        pd.Series([inputs.get(name)], dtype=np.float32) for name in ("drb", "rb", "reliability")
    )
    found = real_bogus.func(drb, words, rb, reliability)
    return {name: None if pd.isna(value) else value for name, value in found.iloc[0].items()}


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
    inputs: dict[str, object], score: float | None, source: str | None
) -> None:
    found = score_of(**inputs)
    assert (found["score"], found["source"]) == (score, source)


def test_a_score_at_the_threshold_is_real() -> None:
    assert score_of(reliability=0.5)["is_real"]
    assert not score_of(reliability=0.499)["is_real"]


def test_without_a_score_there_is_no_verdict() -> None:
    assert set(score_of().values()) == {None}


def test_the_thresholds_are_arguments_too() -> None:
    scores = pd.Series([0.6, 0.7])
    nothing = pd.Series([np.nan, np.nan])
    found = real_bogus.func(scores, pd.Series(["d6"] * 2), nothing, nothing, pd.Series([0.65]))
    assert found["is_real"].tolist() == [False, True]
