"""Fit one model: templates first, then trees on all features."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np

from broker.science.classifier.features.extract import Extractor
from broker.science.classifier.model import declared_model, feature_names, tree_scores
from broker.surveys.arrow_columns import Bools
from broker.training.curves import LabelledCurves
from broker.training.template_fit import fit_templates
from broker.training.training_set import TrainingSet
from broker.units import Floats

ROUNDS = {"ztf": 300, "elasticc": 600}
PARAMETERS: dict[str, float | int | str | bool] = {
    "learning_rate": 0.04,
    "num_leaves": 15,
    "min_data_in_leaf": 60,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "feature_fraction": 0.3,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "seed": 20240910,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Fitted:
    """Templates, features and trees, not calibrated yet."""

    extractor: Extractor
    trees: lightgbm.Booster

    def scores(self, curves: LabelledCurves) -> Floats:
        """Raw score of each class, shape (n_curves, n_classes)."""
        return tree_scores(self.trees, self.extractor.matrix(curves.points))


def fit_model(
    data: TrainingSet, objects_kept: Bools, templates_kept: Bools, threads: int
) -> Fitted:
    """Fit on the curves and template curves where the masks are true."""
    template_curves = np.flatnonzero(templates_kept)
    templates = fit_templates(
        data.template_curves.take(template_curves).points, data.start_templates(template_curves)
    )
    extractor = Extractor(declared_model(data.survey).bands, templates)
    chosen = np.flatnonzero(objects_kept)
    curves = data.curves.take(chosen)
    matrix = extractor.matrix(curves.points)
    return Fitted(
        extractor, _fit_trees(data, extractor, matrix, curves, data.weight[chosen], threads)
    )


def _fit_trees(
    data: TrainingSet,
    extractor: Extractor,
    matrix: Floats,
    curves: LabelledCurves,
    weight: Floats,
    threads: int,
) -> lightgbm.Booster:
    n_classes = len(declared_model(data.survey).classes)
    # LightGBM's own score is that of label 1; ours is that of class 0.
    label = curves.label if n_classes > 2 else 1 - curves.label
    task = (
        {"objective": "multiclass", "num_class": n_classes}
        if n_classes > 2
        else {"objective": "binary"}
    )
    table = lightgbm.Dataset(
        matrix,
        label=label,
        weight=weight / weight.mean(),
        feature_name=feature_names(extractor.features),
        free_raw_data=True,
    )
    parameters = {**PARAMETERS, **task, "num_threads": threads}
    return lightgbm.train(parameters, table, num_boost_round=ROUNDS[data.survey])
