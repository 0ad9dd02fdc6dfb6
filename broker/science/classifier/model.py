"""Class probabilities of light curves: the one scoring function of stream, batch and command line.

A model is a folder of `broker/science/classifier/models`: ``model.txt`` (LightGBM),
``templates.json``, ``calibration.json`` and the card that tells how it was trained.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from broker.errors import InputError, SettingsError
from broker.science.classifier.features.declaration import Feature
from broker.science.classifier.features.detections import Detections
from broker.science.classifier.features.extract import Extractor
from broker.science.classifier.features.templates import Templates
from broker.surveys import SURVEYS, get_survey
from broker.surveys.arrow_columns import Ints
from broker.surveys.base import LightCurveClassifier
from broker.units import Floats

if TYPE_CHECKING:
    import lightgbm

MODELS = Path(__file__).parent / "models"

MIN_POINTS = 3
MAX_DAYS, MANY_DETECTIONS = 400.0, 200
SCORED, TOO_FEW_POINTS, LONG_LIVED, NOT_REAL, KNOWN_SOLAR_SYSTEM = range(5)
REASONS = ("", "too_few_points", "long_lived", "not_real", "known_solar_system")
"""Why there is no score; a later one goes before an earlier one."""


@dataclass(frozen=True)
class Calibration:
    """Vector scaling of the trees' scores: softmax(slope · score + offset), class by class.

    Guo et al. 2017 (ICML 70), §4.2; fitted on light curves of objects that the trees never saw.
    """

    slope: Floats
    offset: Floats

    def apply(self, scores: Floats) -> Floats:
        """Probabilities, shape (n, n_classes), of scores of that shape."""
        logits = scores * self.slope + self.offset
        weight = np.exp(logits - logits.max(axis=1)[:, None])
        total = weight[:, 0]
        for k in range(1, weight.shape[1]):
            total = total + weight[:, k]
        return np.asarray(weight / total[:, None])


@dataclass(frozen=True)
class LightCurveModel:
    """Features, trees and calibration that belong together.

    Attributes
    ----------
    name
        Name in the science table and in `MODELS`.
    classes
        Names of the classes; the score is the probability of the first.
    """

    name: str
    classes: tuple[str, ...]
    extractor: Extractor
    trees: lightgbm.Booster
    calibration: Calibration

    def probabilities(self, points: Detections) -> Floats:
        """Probability of each class for each object, shape (n_objects, n_classes).

        NaN for objects with fewer than `MIN_POINTS` detections.
        """
        result = np.full((points.n_objects, len(self.classes)), np.nan)
        enough = np.flatnonzero(points.counts >= MIN_POINTS)
        if len(enough):
            matrix = self.extractor.matrix(points.take(enough))
            result[enough] = self.calibration.apply(tree_scores(self.trees, matrix))
        return result


def tree_scores(trees: lightgbm.Booster, matrix: Floats) -> Floats:
    """Raw scores of all classes; a model of two classes has one, and 0 for the second."""
    raw = np.asarray(trees.predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)
    return np.stack([raw, np.zeros_like(raw)], axis=1) if raw.ndim == 1 else raw


def declared_model(survey: str) -> LightCurveClassifier:
    """Model, classes and bands of a survey's classifier.

    Raises
    ------
    SettingsError
        The survey has none; the message lists those that have one.
    """
    classifier = get_survey(survey).classifier
    if classifier is None:
        known = ", ".join(name for name, one in SURVEYS.items() if one.classifier is not None)
        raise SettingsError(f"survey {survey!r} has no classifier; these have one: {known}")
    return classifier


@cache
def load_model(survey: str) -> LightCurveModel:
    """Model of a survey, loaded once per process.

    Raises
    ------
    InputError
        A file of the model is missing or doesn't fit the others.
    SettingsError
        The survey has no model.
    """
    return read_model(MODELS / declared_model(survey).model, survey)


def read_model(folder: Path, survey: str) -> LightCurveModel:
    """Model in a folder, of any place."""
    # Takes seconds, and whoever only wants to know the columns doesn't need it.
    import lightgbm  # noqa: PLC0415

    for file in ("model.txt", "templates.json", "calibration.json"):
        if not (folder / file).is_file():
            raise InputError(
                f"classifier: {folder / file} is missing; jobs/train_classifier.py makes it"
            )
    declared = declared_model(survey)
    extractor = Extractor(declared.bands, Templates.load(folder / "templates.json"))
    trees = lightgbm.Booster(model_file=folder / "model.txt")
    if trees.feature_name() != feature_names(extractor.features):
        raise InputError(
            f"classifier: {folder / 'model.txt'} was trained on other features than this version "
            "computes; train it again with jobs/train_classifier.py"
        )
    content: dict[str, Any] = json.loads((folder / "calibration.json").read_text())
    calibration = Calibration(np.array(content["slope"]), np.array(content["offset"]))
    return LightCurveModel(folder.name, declared.classes, extractor, trees, calibration)


def feature_names(features: tuple[Feature, ...]) -> list[str]:
    """Names of all features, in order."""
    return [feature.name for feature in features]


def light_curve_reasons(points: Detections, age_days: Floats) -> Ints:
    """Positions in `REASONS` for what the light curve itself decides.

    Parameters
    ----------
    age_days
        Days since the oldest positive detection, shape (n_objects,); NaN without one.
    """
    reason = np.full(points.n_objects, SCORED)
    reason[points.counts < MIN_POINTS] = TOO_FEW_POINTS
    reason[age_days > MAX_DAYS] = LONG_LIVED
    return reason
