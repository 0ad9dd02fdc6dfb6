"""ELAsTiCC's training set: one night of Fink's labelled alerts, with their history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from broker.science.classifier.features.detections import Detections
from broker.science.classifier.model import declared_model
from broker.surveys.arrow_columns import Ints
from broker.training.curves import LabelledCurves, concatenate, equal_weights, random_epochs, thin
from broker.training.template_fit import TemplateStart
from broker.training.training_set import TrainingSet

SN_IA, SN_II = range(len(declared_model("elasticc").classes))
SOURCE = "ftransfer_2023-02-08"
"""The only source with both classes from the same night."""
N_EPOCHS = 6
FEW_POINTS = 9
_CLASS_ID_SN_IA = 111
_BANDS = {band: k for k, band in enumerate("ugrizY")}
_COLOUR = np.array([1.3, 1.0, 0.3, -0.2, -0.6, -0.9])
# First guess of the templates: simulated models (gentype) and quantiles of redshift.
_MODELS_OF_CLASS = (
    ((10,), 9, SN_IA),
    ((30, 31, 32), 6, SN_II),
    ((35, 36), 6, SN_II),
    ((37,), 3, SN_II),
)


def build_training_set(data: Path) -> TrainingSet:
    """Everything for the ELAsTiCC model; `data` is the folder with ``labelled/``."""
    alerts, about = read_alerts(data)
    scored = alerts.enough()
    longest = _longest(alerts)
    chosen, stop = random_epochs(longest.points, longest.object_id, N_EPOCHS)
    earlier = longest.cut(chosen, np.zeros(len(chosen)), stop)
    full = concatenate([scored, earlier]).enough()
    curves = concatenate([full, thin(full)])
    template_curves = longest.enough()
    few = scored.points.counts <= FEW_POINTS
    return TrainingSet(
        survey="elasticc",
        curves=curves,
        weight=equal_weights(curves.object_id),
        template_curves=template_curves,
        start_templates=_ModelStarts(about.loc[list(template_curves.object_id)]),
        trials={
            "≥ 3 detections": alerts,
            "3–9 detections": scored.take(np.flatnonzero(few)),
            "≥ 10 detections": scored.take(np.flatnonzero(~few)),
        },
        calibration=(scored, equal_weights(scored.object_id)),
        cross_checks={},
    )


def read_alerts(data: Path) -> tuple[LabelledCurves, pd.DataFrame]:
    """Positive detections of every alert, and the truth of each object."""
    rows = pd.read_parquet(data / "labelled" / "elasticc_fink" / "alerts.parquet")
    rows = rows[rows.source == SOURCE].sort_values(["diaObjectId", "mjd"], kind="stable")
    names = rows.diaObjectId.astype(str).to_numpy(dtype=str)
    flat = pd.DataFrame(
        {
            "owner": np.repeat(np.arange(len(rows)), rows.cmjd.map(len)),
            "mjd": np.concatenate(rows.cmjd.to_numpy()).astype(float),
            "band": [_BANDS[band] for band in np.concatenate(rows.cband.to_numpy())],
            "flux": np.concatenate(rows.cflux.to_numpy()).astype(float),
            "error": np.concatenate(rows.cfluxerr.to_numpy()).astype(float),
        }
    )
    flat = flat[flat.flux > 0].sort_values(["owner", "mjd", "band"], kind="stable")
    counts = np.bincount(flat.owner, minlength=len(rows))
    points = Detections(
        flat.mjd.to_numpy(),
        flat.band.to_numpy(dtype=np.int64),
        flat.flux.to_numpy(),
        flat.error.to_numpy(),
        np.concatenate([[0], np.cumsum(counts)]),
        len(declared_model("elasticc").bands),
    )
    label = np.where(rows.classId == _CLASS_ID_SN_IA, SN_IA, SN_II)
    about = rows.assign(name=names).drop_duplicates("name", keep="last").set_index("name")
    curves = LabelledCurves(points, names, label, np.full(len(names), "ELAsTiCC alerts"))
    return curves, about[["gentype", "true_z"]]


def _longest(alerts: LabelledCurves) -> LabelledCurves:
    """Last alert of each object, whose history holds the earlier ones."""
    last = np.flatnonzero(alerts.object_id != np.append(alerts.object_id[1:], ""))
    return alerts.take(last)


class _ModelStarts:
    """First guess of each object's template."""

    def __init__(self, about: pd.DataFrame) -> None:
        self._model = about.gentype.to_numpy()
        self._redshift = about.true_z.to_numpy(dtype=np.float64)

    def __call__(self, rows: Ints) -> TemplateStart:
        """Where the fit of these objects starts."""
        model, redshift = self._model[rows], self._redshift[rows]
        template = np.zeros(len(rows), dtype=np.int64)
        class_of: list[int] = []
        for models, n, of_class in _MODELS_OF_CLASS:
            members = np.isin(model, models)
            edges = np.quantile(redshift[members], np.arange(1, n) / n)
            template[members] = len(class_of) + np.searchsorted(edges, redshift[members])
            class_of += [of_class] * n
        return TemplateStart(
            template, np.array(class_of), _COLOUR, declared_model("elasticc").bands, n_rounds=15
        )
