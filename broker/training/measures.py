"""Measures of scores: AUC and calibration error, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from broker.surveys.arrow_columns import Bools, Ints
from broker.training.curves import N_FOLDS, Strings
from broker.units import Floats

N_BINS = 10
_N_DRAWS = 500


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve of one trial.

    Attributes
    ----------
    mean, spread
        Over folds.
    low, high
        95 % interval of the pooled value, objects drawn with replacement.
    n_curves, n_objects
        What was scored.
    share
        Part of the trial's light curves that got a score.
    """

    mean: float
    spread: float
    low: float
    high: float
    n_curves: int
    n_objects: int
    share: float


def measure_auc(
    score: Floats, positive: Bools, object_id: Strings, fold: Ints, share: float
) -> Auc:
    """AUC of scored light curves, fold by fold and with an interval over objects."""
    in_folds = [
        roc_auc_score(positive[fold == k], score[fold == k])
        for k in range(N_FOLDS)
        if len(np.unique(positive[fold == k])) == 2
    ]
    names, inverse = np.unique(object_id, return_inverse=True)
    random = np.random.default_rng(1)
    draws = []
    for _ in range(_N_DRAWS):
        times = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))
        draws.append(roc_auc_score(positive, score, sample_weight=times[inverse]))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Auc(
        mean=float(np.mean(in_folds)),
        spread=float(np.std(in_folds)),
        low=float(low),
        high=float(high),
        n_curves=len(score),
        n_objects=len(names),
        share=share,
    )


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error in ten bins of equal count, and what chance alone gives."""

    value: float
    by_chance: float
    by_chance_95: float
    n_objects: int


def measure_calibration(probability: Floats, positive: Bools) -> CalibrationError:
    """Calibration error; chance: labels drawn with exactly these probabilities."""
    random = np.random.default_rng(2)
    draws = [
        calibration_error(probability, random.random(len(probability)) < probability)
        for _ in range(_N_DRAWS)
    ]
    return CalibrationError(
        value=calibration_error(probability, positive),
        by_chance=float(np.mean(draws)),
        by_chance_95=float(np.percentile(draws, 95)),
        n_objects=len(probability),
    )


def calibration_error(probability: Floats, positive: Bools) -> float:
    """Mean distance of probability and frequency over bins of equal count."""
    mean, frequency, count = reliability(probability, positive)
    return float((np.abs(mean - frequency) * count).sum() / count.sum())


def reliability(probability: Floats, positive: Bools) -> tuple[Floats, Floats, Ints]:
    """Mean probability, frequency of positives and count in each bin."""
    bins = np.array_split(np.argsort(probability, kind="stable"), N_BINS)
    mean = np.array([probability[b].mean() for b in bins])
    frequency = np.array([positive[b].mean() for b in bins])
    return mean, frequency, np.array([len(b) for b in bins])
