"""What the card says: areas under curves, calibration errors and shares, as defined."""

from __future__ import annotations

import numpy as np
import pytest

from broker.training.calibration import fit_calibration
from broker.training.cross_validate import Trial
from broker.training.measures import calibration_error, measure_auc, measure_calibration
from broker.training.results import _one_class
from tests.unit.training.test_curves import light_curves


def test_the_auc_is_the_chance_that_a_positive_scores_higher() -> None:
    random = np.random.default_rng(1)
    positive = random.random(400) < 0.6
    score = random.normal(size=400) + positive
    fold = np.zeros(400, dtype=np.int64)
    found = measure_auc(score, positive, np.arange(400).astype(str), fold, 0.8)
    higher = (score[positive][:, None] > score[~positive]).mean()
    assert found.mean == pytest.approx(higher)
    assert found.low < higher < found.high
    assert (found.n_curves, found.n_objects, found.share) == (400, 400, 0.8)


def test_the_interval_is_over_objects_not_light_curves() -> None:
    random = np.random.default_rng(2)
    positive = random.random(100) < 0.5
    score = random.normal(size=100) + positive
    fold, names = np.zeros(100, dtype=np.int64), np.arange(100).astype(str)
    once = measure_auc(score, positive, names, fold, 1.0)
    five = [np.tile(values, 5) for values in (score, positive, names, fold)]
    often = measure_auc(*five, 1.0)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_perfect_probabilities_have_the_calibration_error_of_chance() -> None:
    random = np.random.default_rng(3)
    probability = random.random(3000)
    found = measure_calibration(probability, random.random(3000) < probability)
    assert found.value < found.by_chance_95 < 0.05
    assert calibration_error(probability, np.ones(3000, dtype=bool)) == pytest.approx(0.5, abs=0.02)


def test_calibration_undoes_what_was_done_to_the_scores() -> None:
    random = np.random.default_rng(4)
    scores = random.normal(0, 2, (20000, 3))
    truth = np.exp(scores) / np.exp(scores).sum(axis=1)[:, None]
    label = (random.random(20000)[:, None] > truth.cumsum(axis=1)).sum(axis=1)
    distorted = scores * [2.0, 0.5, 1.0] + [1.0, -1.0, 0.0]
    found = fit_calibration(distorted, label, np.ones(20000))
    assert np.abs(found.apply(distorted) - truth).mean() < 0.01


def test_a_light_curve_without_score_counts_as_not_taken_for_another() -> None:
    curves = light_curves(5)
    names = np.array(["a", "a", "b", "c", "d"])
    trial = Trial(
        curves=type(curves)(curves.points, names, curves.label, curves.source),
        fold=np.zeros(5, dtype=np.int64),
        scores=np.zeros((5, 3)),
        probabilities=np.array(
            [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.5, 0.2, 0.3], [0.1, 0.9, 0], [0, 0.1, 0.9]]
        ),
        everyone=np.array([*names, "e", "f", "f", "d", "g"]),
    )
    found = _one_class("ztf", trial)
    assert trial.share == 0.5
    assert found["above_of_all"]["value"] == pytest.approx(0.3)
    assert found["above_of_scored"]["value"] == pytest.approx(0.6)
    assert found["above_of_all"]["low"] < 0.3 < found["above_of_all"]["high"]
    counts = ("n_objects", "n_objects_scored", "n_objects_above", "n_curves", "n_scored", "n_above")
    assert [found[name] for name in counts] == [7, 4, 2, 10, 5, 3]
    assert found["labels"] == {"sn_ia": 3, "core_collapse": 1, "other": 1}
