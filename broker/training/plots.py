"""Pictures of the model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import roc_curve

from broker.science.classifier.features.grid import KNOTS_DAYS, REFERENCE_MAG
from broker.science.classifier.features.templates import Templates
from broker.science.classifier.model import declared_model
from broker.training.cross_validate import OutOfFold, Trial
from broker.training.measures import reliability
from broker.training.results import is_contest, one_per_object

_DPI = 110
_SHOWN_MAG = 8.0
# Okabe & Ito 2008: told apart by everybody.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_BAND_COLOURS = dict(
    zip(
        "ugrizy",
        ("#56B4E9", *("#009E73", "#D55E00", "#E69F00"), *("#CC79A7", "#000000")),
        strict=True,
    )
)


def draw_roc(out: OutOfFold, path: Path) -> None:
    """ROC curve of every trial of SN Ia against the second class."""
    figure, axes = _canvas()
    for colour, (name, trial) in zip(_COLOURS, _contests(out).items(), strict=False):
        false, true, _ = roc_curve(trial.curves.label == 0, trial.probabilities[:, 0])
        axes.plot(false, true, color=colour, label=name)
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":", label="chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate (SN Ia)")
    axes.legend(loc="lower right", frameon=False)
    _save(figure, path)


def draw_calibration(out: OutOfFold, path: Path) -> None:
    """Frequency of SN Ia against the score, ten bins of equal count, one curve per object."""
    figure, axes = _canvas()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":", label="perfect")
    for colour, (name, trial) in zip(_COLOURS, _contests(out).items(), strict=False):
        chosen = one_per_object(trial.curves.object_id)
        mean, frequency, count = reliability(
            trial.probabilities[chosen, 0], trial.curves.label[chosen] == 0
        )
        error = np.sqrt(mean * (1 - mean) / count)
        axes.errorbar(
            mean, frequency, error, color=colour, marker="o", markersize=4, capsize=2, label=name
        )
    axes.set(xlabel="mean score", ylabel="frequency of SN Ia", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", frameon=False)
    _save(figure, path)


def draw_learning_curve(points: list[dict[str, Any]], path: Path) -> None:
    """AUC against the number of objects learnt from."""
    figure, axes = _canvas()
    for colour, name in zip(_COLOURS, dict.fromkeys(p["trial"] for p in points), strict=False):
        mine = [p for p in points if p["trial"] == name]
        n = [p["n_objects"] for p in mine]
        auc, spread = [p["mean"] for p in mine], [p["spread"] / np.sqrt(5) for p in mine]
        axes.errorbar(n, auc, spread, color=colour, marker="o", capsize=2, label=name)
    axes.set(xlabel="objects learnt from", ylabel="AUC, mean of five folds", xscale="log")
    axes.set_xticks(n, [str(number) for number in n])
    axes.minorticks_off()
    axes.legend(loc="lower right", frameon=False)
    axes.grid(visible=True, color="0.9")
    _save(figure, path)


def draw_importances(importances: list[dict[str, Any]], path: Path) -> None:
    """The features that most of the trees' gain comes from."""
    shown = importances[:25][::-1]
    figure, axes = _canvas(height=6.5)
    axes.barh([f["name"] for f in shown], [100 * f["gain"] for f in shown], color=_COLOURS[0])
    axes.set(xlabel="share of the trees' gain, %")
    axes.tick_params(axis="y", labelsize=8)
    _save(figure, path)


def draw_templates(templates: Templates, survey: str, path: Path) -> None:
    """Every template in every band, one panel per class; width: share of its class."""
    classes, bands = declared_model(survey).classes, declared_model(survey).bands
    figure = Figure(figsize=(4.2 * len(classes), 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(classes), sharey=True))
    for c, axes in enumerate(panels):
        for k in np.flatnonzero(templates.class_of == c):
            for b, band in enumerate(bands):
                axes.plot(
                    KNOTS_DAYS,
                    templates.grid.curves[k, b] + REFERENCE_MAG,
                    color=_BAND_COLOURS[band],
                    linewidth=0.5 + 4 * templates.share[k],
                    alpha=0.8,
                )
        axes.set(title=classes[c], xlabel="days from maximum", xlim=(-30, 100))
    # Lines of all bands are on every panel; their width differs, so the legend has its own.
    names = [Line2D([], [], color=_BAND_COLOURS[band], label=band) for band in bands]
    figure.legend(handles=names, frameon=False, loc="outside right center")
    brightest = templates.grid.curves.min() + REFERENCE_MAG
    panels[0].set_ylabel("magnitude of a typical member")
    panels[0].set_ylim(brightest + _SHOWN_MAG, brightest - 0.5)
    _save(figure, path)


def _contests(out: OutOfFold) -> dict[str, Trial]:
    return {name: trial for name, trial in out.trials.items() if is_contest(trial)}


def _canvas(height: float = 5.0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.0, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> None:
    # Without the version in the file the same figure is the same bytes.
    with mpl.rc_context({"svg.hashsalt": "nightjar"}):
        figure.savefig(path, dpi=_DPI, metadata={"Software": None})
