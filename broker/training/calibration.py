"""Vector scaling: from the trees' scores to probabilities."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from broker.science.classifier.model import Calibration
from broker.surveys.arrow_columns import Ints
from broker.units import Floats

_RIDGE = 1e-3


def fit_calibration(scores: Floats, label: Ints, weight: Floats) -> Calibration:
    """Slopes and offsets of the largest likelihood.

    Parameters
    ----------
    scores
        Raw scores of light curves that the trees were not fitted on, shape (n, n_classes).
    weight
        Makes the mix of classes that the probabilities are for.
    """
    n_classes = scores.shape[1]
    truth = np.eye(n_classes)[label]
    share = weight / weight.sum()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        calibration = Calibration(parameters[:n_classes], parameters[n_classes:])
        probability = calibration.apply(scores)
        likelihood = np.log(np.maximum(probability[np.arange(len(label)), label], 1e-12))
        pull = parameters - np.repeat([1.0, 0.0], n_classes)
        error = (probability - truth) * share[:, None]
        gradient = np.concatenate([(error * scores).sum(axis=0), error.sum(axis=0)])
        value = -(share * likelihood).sum() + _RIDGE * (pull**2).sum()
        return float(value), gradient + 2 * _RIDGE * pull

    start = np.repeat([1.0, 0.0], n_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return Calibration(found[:n_classes], found[n_classes:])
