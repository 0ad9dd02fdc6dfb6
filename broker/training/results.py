"""Results of a cross-validation as plain numbers, for the card and the table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from broker.science.classifier.model import declared_model
from broker.surveys.arrow_columns import Ints
from broker.training.cross_validate import OutOfFold, Trial
from broker.training.curves import Strings
from broker.training.measures import measure_auc, measure_calibration

SCORE_CUT = 0.5
_N_DRAWS = 500

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
    """Misclassification rates of one kind of object, with intervals over objects."""
    above = trial.probabilities[:, 0] >= SCORE_CUT
    names, everyone = np.unique(trial.everyone, return_inverse=True)
    scored = np.searchsorted(names, trial.curves.object_id)
    n_curves = np.bincount(everyone, minlength=len(names))
    n_scored = np.bincount(scored, minlength=len(names))
    n_above = np.bincount(scored[above], minlength=len(names))
    labels = np.bincount(
        trial.probabilities.argmax(axis=1), minlength=len(declared_model(survey).classes)
    )
    return {
        "n_objects": len(names),
        "n_curves": int(n_curves.sum()),
        "n_scored": int(n_scored.sum()),
        "n_above": int(n_above.sum()),
        "n_objects_scored": int((n_scored > 0).sum()),
        "n_objects_above": int((n_above > 0).sum()),
        "above_of_all": _measure_share(n_above, n_curves),
        "above_of_scored": _measure_share(n_above, n_scored),
        "labels": {c: int(n) for c, n in zip(declared_model(survey).classes, labels, strict=True)},
    }


def _measure_share(part: Ints, whole: Ints) -> dict[str, float] | None:
    """Share of light curves, and its 95 % interval, objects drawn with replacement."""
    if not whole.any():
        return None
    random = np.random.default_rng(4)
    times = random.multinomial(len(whole), np.full(len(whole), 1 / len(whole)), size=_N_DRAWS)
    low, high = np.percentile((times @ part) / np.maximum(times @ whole, 1), [2.5, 97.5])
    return {"value": float(part.sum() / whole.sum()), "low": float(low), "high": float(high)}


def show_share(share: dict[str, float] | None) -> str:
    """A share and its interval in words."""
    if share is None:
        return "–"
    return f"{share['value']:.2%}, {share['low']:.2%}–{share['high']:.2%}"


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
        lines += [
            "",
            f"one class alone: score ≥ {SCORE_CUT}, of the scored, of all, objects, labels",
        ]
    lines += [
        f"{r['trial']:28s}  {r['n_above']:4d}   {r['n_scored']:4d} "
        f"({show_share(r['above_of_scored'])})   {r['n_curves']:4d} "
        f"({show_share(r['above_of_all'])})   {r['n_objects']:4d}   {r['labels']}"
        for r in rest
    ]
    return "\n".join(lines)
