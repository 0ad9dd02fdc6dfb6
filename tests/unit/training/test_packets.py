"""Training counts a packet as scored exactly when the stream's classifier scores it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from broker.science.classifier.model import MIN_POINTS
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from broker.training.cross_validate import with_score
from broker.training.curves import LabelledCurves
from broker.training.packets import has_score, light_curves
from broker.training.ztf_sources import PacketCurves
from tests.recorded_packets import Computed, ztf_packets

MODULES = ("real_bogus", "solar_system", "classifier")


def test_packets_without_score_in_the_stream_have_none_in_training(
    recorded_data: Path | None,
) -> None:
    packets = ztf_packets(recorded_data)
    rows = Computed(packets, SciencePass("ztf", ScienceSettings(modules=MODULES))).rows
    in_stream = [row["classifier"]["score"] is not None for row in rows]
    n = len(packets)
    curves = LabelledCurves(
        light_curves(packets, "ztf"),
        np.array([str(k) for k in range(n)]),
        np.zeros(n, dtype=np.int64),
        np.full(n, "recorded"),
    )
    scored = with_score(PacketCurves(curves, has_score(packets)).as_in_stream())
    assert np.flatnonzero(in_stream).astype(str).tolist() == scored.object_id.tolist()
    assert 100 < len(scored) < n
    assert scored.points.counts.min() >= MIN_POINTS
