"""Templates learnt from the training set: how well typical light curves of each class fit.

Each class has several templates (`ShapeGrid` shapes) with the share of the class they stand for.
The evidence of a class is that of its templates at all times of maximum, added.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from broker.science.classifier.features.declaration import Feature, FeatureCurves
from broker.science.classifier.features.grid import (
    KNOTS_DAYS,
    SHIFTS_DAYS,
    Evidence,
    ShapeGrid,
    Singles,
    posterior,
)
from broker.surveys.arrow_columns import Ints
from broker.units import Floats

_FLOOR = 60.0
"""Log evidence ratio from which on it is certain; keeps outliers from mattering."""
_SOURCE = "templates learnt from the training set, on a grid"
_DIGITS = 6


@dataclass(frozen=True)
class Templates:
    """Templates of all classes of one model.

    Attributes
    ----------
    grid
        The shapes, at `SHIFTS_DAYS`.
    class_of
        Class of each template, 0 … n_classes − 1, shape (n_templates,).
    share
        Share of its class that each template stands for, shape (n_templates,).
    """

    grid: ShapeGrid
    class_of: Ints
    share: Floats

    def declare(self) -> list[Feature]:
        """Features that `compute` gives, in order."""
        n_classes = int(self.class_of.max()) + 1
        named = []
        for c in range(n_classes):
            named += [
                (f"template_age_days_{c}", "d", f"maximum to last detection, if class {c}"),
                (f"template_rise_days_{c}", "d", f"first detection to maximum, if class {c}"),
                (f"template_grey_{c}", "", f"brightness against class {c}, in its spread"),
                (f"template_tint_{c}", "", f"colour against class {c}, in its spread"),
                (f"template_kind_{c}", "", f"mean number of the template within class {c}"),
            ]
        for c in range(1, n_classes):
            named.append((f"template_ratio_{c}", "", f"ln evidence, class 0 over class {c}"))
        for k in range(self.grid.n_shapes):
            named.append((f"template_{k}", "", f"ln evidence of template {k} minus the best"))
        named.append(("template_fit", "", "ln evidence of the best template per detection"))
        return [Feature(n, unit, meaning, _SOURCE) for n, unit, meaning in named]

    def compute(self, curves: FeatureCurves) -> list[Floats]:
        """Columns of `declare`, each of shape (n_objects,)."""
        found = self.grid.evidence(curves, curves.peak_mjd)
        log = found.log + self.grid.log_shift_steps[:, None]
        n_classes = int(self.class_of.max()) + 1
        columns, totals = [], []
        for c in range(n_classes):
            of_class, total = self._class_columns(curves, found, log, c)
            columns += of_class
            totals.append(total)
        columns += [np.clip(totals[0] - total, -_FLOOR, _FLOOR) for total in totals[1:]]
        of_template = log.max(axis=1)
        best = of_template.max(axis=1)
        columns += list(np.maximum(of_template - best[:, None], -_FLOOR).T)
        columns.append(np.clip(best / curves.points.counts, -100.0, 10.0))
        return columns

    def _class_columns(
        self, curves: FeatureCurves, found: Evidence, log: Singles, c: int
    ) -> tuple[list[Floats], Singles]:
        members = np.flatnonzero(self.class_of == c)
        n_objects, n_shifts = log.shape[:2]
        log_share = np.log(self.share[members]).astype(np.float32)
        flat, total = posterior((log[:, :, members] + log_share).reshape(n_objects, -1))
        cells = flat.reshape(n_objects, n_shifts, len(members))
        shift = (cells.sum(axis=2) * self.grid.shifts_days).sum(axis=1)
        maximum = curves.peak_mjd + shift
        columns = [
            curves.last_mjd - maximum,
            maximum - curves.first_mjd,
            (flat * found.grey[:, :, members].reshape(n_objects, -1)).sum(axis=1),
            (flat * found.tint[:, :, members].reshape(n_objects, -1)).sum(axis=1),
            (cells.sum(axis=1) * np.arange(len(members), dtype=np.float32)).sum(axis=1),
        ]
        return columns, total

    def save(self, path: Path) -> None:
        """Write as JSON."""
        grid = self.grid
        content = {
            "knots_days": KNOTS_DAYS.tolist(),
            "class_of": self.class_of.tolist(),
            "share": np.round(self.share, _DIGITS).tolist(),
            "grey_mag": np.round(grid.grey_mag, _DIGITS).tolist(),
            "tint_mag": np.round(grid.tint_mag, _DIGITS).tolist(),
            "colour": grid.colour.tolist(),
            "model_error_mag": grid.model_error_mag,
            "curves": np.round(grid.curves, _DIGITS).tolist(),
        }
        path.write_text(json.dumps(content) + "\n")

    @classmethod
    def load(cls, path: Path) -> Templates:
        """Read what `save` wrote."""
        content = json.loads(path.read_text())
        arrays = {name: np.array(values) for name, values in content.items()}
        names = ("curves", "grey_mag", "tint_mag", "colour")
        grid = ShapeGrid(
            **{name: arrays[name] for name in names},
            model_error_mag=content["model_error_mag"],
            shifts_days=SHIFTS_DAYS,
        )
        return cls(grid, arrays["class_of"], arrays["share"])
