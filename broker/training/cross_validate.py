"""Five folds by object: every light curve scored by a model that never saw its object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from broker.science.classifier.model import MAX_DAYS, Calibration, declared_model
from broker.surveys.arrow_columns import Bools, Ints
from broker.training.calibration import fit_calibration
from broker.training.curves import N_FOLDS, LabelledCurves, Strings, digest, folds
from broker.training.fit import Fitted, fit_model
from broker.training.training_set import TrainingSet
from broker.units import Floats


@dataclass(frozen=True)
class Trial:
    """Scored light curves of one trial; all arrays but `everyone` have shape (n_curves, …).

    Attributes
    ----------
    curves
        Those that got a score.
    fold
        Fold of each.
    scores
        The trees' scores, shape (n_curves, n_classes).
    probabilities
        Calibrated on the other folds.
    everyone
        Objects of all light curves of the trial, also of those without a score.
    """

    curves: LabelledCurves
    fold: Ints
    scores: Floats
    probabilities: Floats
    everyone: Strings

    @property
    def share(self) -> float:
        """Part of the trial's light curves that got a score."""
        return len(self.curves) / len(self.everyone)


@dataclass(frozen=True)
class OutOfFold:
    """All trials out of fold, and the calibration for the model of all data."""

    trials: dict[str, Trial]
    calibration: Calibration


def cross_validate(
    data: TrainingSet,
    threads: int,
    learn_from: float = 1.0,
    note: Callable[[str], None] = lambda _: None,
) -> OutOfFold:
    """Fit and score fold by fold.

    Parameters
    ----------
    learn_from
        Part of the other folds' objects that is learnt from.
    note
        Called with a line of progress.
    """
    wanted = {name: with_score(trial) for name, trial in data.trials.items()}
    curves, weight = data.calibration
    scores = {name: _empty(data, trial) for name, trial in wanted.items()}
    calibration_scores = _empty(data, curves)
    for fold in range(N_FOLDS):
        fitted = _fit_without(data, fold, learn_from, threads)
        for name, trial in wanted.items():
            _fill(scores[name], fitted, trial, fold)
        _fill(calibration_scores, fitted, curves, fold)
        note(f"fold {fold + 1} of {N_FOLDS} done")
    without = [
        _calibrate(calibration_scores, curves, weight, folds(curves.object_id) != fold)
        for fold in range(N_FOLDS)
    ]
    trials = {}
    for name, trial in wanted.items():
        fold_of = folds(trial.object_id)
        probabilities = np.empty_like(scores[name])
        for fold, calibration in enumerate(without):
            here = fold_of == fold
            probabilities[here] = calibration.apply(scores[name][here])
        everyone = data.trials[name].object_id
        trials[name] = Trial(trial, fold_of, scores[name], probabilities, everyone)
    used = np.ones(len(curves), dtype=bool)
    return OutOfFold(trials, _calibrate(calibration_scores, curves, weight, used))


def _fit_without(data: TrainingSet, fold: int, learn_from: float, threads: int) -> Fitted:
    return fit_model(
        data,
        _learnt(data.curves, fold, learn_from),
        _learnt(data.template_curves, fold, learn_from),
        threads,
    )


def learnt_objects(curves: LabelledCurves, learn_from: float) -> int:
    """Number of objects that a fold learns from, on average."""
    n_objects = sum(
        len(np.unique(curves.object_id[_learnt(curves, fold, learn_from)]))
        for fold in range(N_FOLDS)
    )
    return round(n_objects / N_FOLDS)


def _learnt(curves: LabelledCurves, fold: int, learn_from: float) -> Bools:
    chance = {name: digest(f"part {name}") % 10000 / 10000 for name in np.unique(curves.object_id)}
    part = np.array([chance[name] for name in curves.object_id])
    return np.asarray((folds(curves.object_id) != fold) & (part < learn_from))


def with_score(trial: LabelledCurves) -> LabelledCurves:
    """Light curves that the classifier doesn't abstain on."""
    enough = trial.enough()
    return enough.take(np.flatnonzero(enough.last_mjd() - enough.first_mjd() <= MAX_DAYS))


def _empty(data: TrainingSet, curves: LabelledCurves) -> Floats:
    return np.full((len(curves), len(declared_model(data.survey).classes)), np.nan)


def _fill(scores: Floats, fitted: Fitted, curves: LabelledCurves, fold: int) -> None:
    here = np.flatnonzero(folds(curves.object_id) == fold)
    if len(here):
        scores[here] = fitted.scores(curves.take(here))


def _calibrate(scores: Floats, curves: LabelledCurves, weight: Floats, used: Bools) -> Calibration:
    return fit_calibration(scores[used], curves.label[used], weight[used])
