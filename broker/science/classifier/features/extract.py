"""The whole feature matrix of a model."""

from __future__ import annotations

import numpy as np

from broker.science.classifier.features import brightness, colours, shapes, trends
from broker.science.classifier.features.declaration import Feature, FeatureCurves
from broker.science.classifier.features.detections import Detections
from broker.science.classifier.features.shapes import ParametricShapes
from broker.science.classifier.features.templates import Templates
from broker.units import Floats

_CHUNK = 256
"""Objects at a time: the grids' intermediate arrays then stay in the processor's cache."""


class Extractor:
    """Features of light curves in the bands of one model.

    Parameters
    ----------
    bands
        The model's bands, from blue to red.
    templates
        What the training set taught.
    """

    def __init__(self, bands: tuple[str, ...], templates: Templates) -> None:
        self.bands = bands
        self.templates = templates
        self._shapes = ParametricShapes(templates.grid.colour)
        self.features: tuple[Feature, ...] = (
            *brightness.declare(bands),
            *trends.declare(bands),
            *colours.declare(bands),
            *shapes.declare(),
            *templates.declare(),
        )
        """All features, in the order of the matrix's columns."""

    def matrix(self, points: Detections) -> Floats:
        """Features of every object, shape (n_objects, n_features).

        Every object needs at least one detection.
        """
        result = np.empty((points.n_objects, len(self.features)))
        for start in range(0, points.n_objects, _CHUNK):
            stop = min(start + _CHUNK, points.n_objects)
            for k, values in enumerate(self._columns(points.span(start, stop))):
                result[start:stop, k] = values
        return result

    def _columns(self, points: Detections) -> list[Floats]:
        curves = FeatureCurves(points, self.bands)
        with np.errstate(all="ignore"):
            return [
                *brightness.compute(curves),
                *trends.compute(curves),
                *colours.compute(curves),
                *self._shapes.compute(curves),
                *self.templates.compute(curves),
            ]
