"""From a folder of data to a folder with a model and its card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from broker.science.classifier.features.templates import Templates
from broker.science.classifier.model import declared_model
from broker.training.card import Card, page, write_card
from broker.training.cross_validate import OutOfFold, cross_validate, learnt_objects, with_score
from broker.training.curves import LabelledCurves, folds
from broker.training.fit import Fitted, fit_model
from broker.training.measures import measure_auc
from broker.training.plots import (
    draw_calibration,
    draw_importances,
    draw_learning_curve,
    draw_roc,
    draw_templates,
)
from broker.training.results import Result, is_contest, summarise, table
from broker.training.sources import read_training_set
from broker.training.training_set import TrainingSet

LEARNING_PARTS = (0.125, 0.25, 0.5, 0.75)


def train(survey: str, data: Path, folder: Path, threads: int, note: Callable[[str], None]) -> Path:
    """Cross-validate, fit on everything, and write model and card.

    Parameters
    ----------
    folder
        Where the folder of the model is made or overwritten.
    note
        Called with lines of progress and the table of results.

    Returns
    -------
    Path
        Folder of the model.
    """
    training_set = read_training_set(survey, data)
    out = cross_validate(training_set, threads, note=note)
    results = summarise(survey, out)
    note(table(results))
    curve = _learning_curve(training_set, out, threads, note)
    everything = np.ones(len(training_set.curves), dtype=bool)
    all_templates = np.ones(len(training_set.template_curves), dtype=bool)
    fitted = fit_model(training_set, everything, all_templates, threads)
    checks = [
        _cross_check(name, curves, fitted, out)
        for name, curves in training_set.cross_checks.items()
    ]
    card = write_card(training_set, fitted, out.calibration, results, curve, checks)
    target = folder / declared_model(survey).model
    target.mkdir(parents=True, exist_ok=True)
    _write(target, fitted, out, card)
    return target


def _learning_curve(
    data: TrainingSet, full: OutOfFold, threads: int, note: Callable[[str], None]
) -> list[dict[str, Any]]:
    """AUC of each trial of two classes when fewer objects are learnt from."""
    contests = {name: trial for name, trial in full.trials.items() if is_contest(trial)}
    smaller = replace(data, trials={name: data.trials[name] for name in contests})
    points: list[dict[str, Any]] = []
    for part in LEARNING_PARTS:
        note(f"learning curve: {part:.0%} of the objects")
        out = cross_validate(smaller, threads, learn_from=part)
        points += _learning_points(data, out, part)
    whole = OutOfFold(contests, full.calibration)
    return points + _learning_points(data, whole, 1.0)


def _learning_points(data: TrainingSet, out: OutOfFold, part: float) -> list[dict[str, Any]]:
    n_objects = learnt_objects(data.curves, part)
    return [
        {
            "trial": name,
            "n_objects": n_objects,
            "mean": result["auc"]["mean"],
            "spread": result["auc"]["spread"],
        }
        for name, result in ((r["trial"], r) for r in summarise(data.survey, out))
    ]


def _cross_check(name: str, curves: LabelledCurves, fitted: Fitted, out: OutOfFold) -> Result:
    scored = with_score(curves)
    probabilities = out.calibration.apply(fitted.scores(scored))
    auc = measure_auc(
        probabilities[:, 0],
        scored.label == 0,
        scored.object_id,
        folds(scored.object_id),
        len(scored) / len(curves),
    )
    return {"trial": name, "auc": asdict(auc)}


def _write(target: Path, fitted: Fitted, out: OutOfFold, card: Card) -> None:
    fitted.extractor.templates.save(target / "templates.json")
    fitted.trees.save_model(target / "model.txt")
    calibration = {name: card["calibration"][name] for name in ("slope", "offset")}
    (target / "calibration.json").write_text(json.dumps(calibration, indent=1) + "\n")
    (target / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    (target / "card.md").write_text(page(card))
    draw_calibration(out, target / "calibration.png")
    draw_roc(out, target / "roc.png")
    draw_learning_curve(card["learning_curve"], target / "learning_curve.png")
    draw_importances(card["importances"], target / "importances.png")
    # As the model has them: the file rounds.
    templates = Templates.load(target / "templates.json")
    draw_templates(templates, card["survey"], target / "templates.png")
