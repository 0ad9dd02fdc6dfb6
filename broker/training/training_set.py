"""Interface of a survey's training set, as the trainer reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from broker.surveys.arrow_columns import Ints
from broker.training.curves import LabelledCurves
from broker.training.template_fit import TemplateStart
from broker.units import Floats


@dataclass(frozen=True)
class TrainingSet:
    """Light curves to learn from, and those that tell how well that went.

    Attributes
    ----------
    survey
        ``ztf`` or ``elasticc``: bands and classes of the model.
    curves, weight
        Light curves for the trees, cut at many ages, and their weights.
    template_curves
        One whole light curve per object, for the templates.
    start_templates
        Positions in `template_curves` → where their fit starts.
    trials
        Name → light curves that are scored in the fold of their object.
    calibration
        Light curves and weights for the calibration, at the mix that probabilities are for.
    cross_checks
        Name → light curves of objects that are in no training set.
    """

    survey: str
    curves: LabelledCurves
    weight: Floats
    template_curves: LabelledCurves
    start_templates: Callable[[Ints], TemplateStart]
    trials: Mapping[str, LabelledCurves]
    calibration: tuple[LabelledCurves, Floats]
    cross_checks: Mapping[str, LabelledCurves]
