"""Results of a cross-validation as plain numbers, for the card and the table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from broker.science.scoring import CLASSES
from broker.surveys.arrow_columns import Ints
from broker.training.cross_validate import OutOfFold, Trial
from broker.training.curves import Strings
from broker.training.measures import measure_auc, measure_calibration

SCORE_CUT = 0.5

Result = dict[str, Any]


def summarise(survey: str, out: OutOfFold) -> list[Result]:
    """One entry per trial: AUC and calibration where two classes meet, else false positives."""
    return [_summary(survey, name, trial) for name, trial in out.trials.items()]


def is_contest(trial: Trial) -> bool:
    """Whether the trial has light curves of the first two classes, so that an AUC exists."""
    return set(np.unique(trial.curves.label)) >= {0, 1}


def one_per_object(object_id: Strings) -> Ints:
    """Position of one light curve of each object, drawn at random."""
    order = np.random.default_rng(5).permutation(len(object_id))
    _, first = np.unique(object_id[order], return_index=True)
    return order[first]


def _summary(survey: str, name: str, trial: Trial) -> Result:
    score, ids = trial.probabilities[:, 0], trial.curves.object_id
    if not is_contest(trial):
        return {"trial": name, "kind": "one class", **_one_class(survey, trial)}
    positive = trial.curves.label == 0
    auc = measure_auc(score, positive, ids, trial.fold, trial.share)
    chosen = one_per_object(ids)
    calibration = measure_calibration(score[chosen], positive[chosen])
    return {
        "trial": name,
        "kind": "SN Ia against the second class",
        "auc": asdict(auc),
        "calibration": asdict(calibration),
    }


def _one_class(survey: str, trial: Trial) -> Result:
    """How often one kind of object is taken for something else."""
    probabilities, ids = trial.probabilities, trial.curves.object_id
    wrong = probabilities[:, 0] >= SCORE_CUT
    names, inverse = np.unique(ids, return_inverse=True)
    random = np.random.default_rng(4)
    draws = []
    for _ in range(500):
        times = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))
        draws.append(np.average(wrong, weights=times[inverse]) if times[inverse].any() else 0.0)
    low, high = np.percentile(draws, [2.5, 97.5])
    labels = np.bincount(probabilities.argmax(axis=1), minlength=len(CLASSES[survey]))
    return {
        "score_above_cut": float(wrong.mean()),
        "low": float(low),
        "high": float(high),
        "n_curves": len(ids),
        "n_objects": len(names),
        "share": trial.share,
        "labels": {c: int(n) for c, n in zip(CLASSES[survey], labels, strict=True)},
    }


def table(results: list[Result]) -> str:
    """Results as text, one line per trial."""
    lines = [
        "trial                   AUC             95 % (objects)   scored        n   "
        "ECE     by chance (95 %)"
    ]
    for result in results:
        if "auc" in result:
            auc, error = result["auc"], result["calibration"]
            lines.append(
                f"{result['trial']:22s}  {auc['mean']:.4f} ± {auc['spread']:.4f} "
                f"{auc['low']:.4f}–{auc['high']:.4f}   {auc['share']:6.1%}   "
                f"{auc['n_curves']:6d}   "
                f"{error['value']:.4f}  {error['by_chance']:.4f} ({error['by_chance_95']:.4f})"
            )
    rest = [result for result in results if "auc" not in result]
    if rest:
        lines += ["", f"one class alone               score ≥ {SCORE_CUT}  95 % (objects)  objects"]
    lines += [
        f"{r['trial']:28s}  {r['score_above_cut']:6.2%}     {r['low']:.2%}–{r['high']:.2%}"
        f"    {r['n_objects']:5d}   {r['labels']}"
        for r in rest
    ]
    return "\n".join(lines)
