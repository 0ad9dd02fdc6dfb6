"""ZTF's training set: BTS light curves, and what else the alert stream shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from broker.science.classifier.model import MAX_DAYS, declared_model
from broker.surveys.arrow_columns import Ints
from broker.training.curves import (
    LabelledCurves,
    concatenate,
    equal_weights,
    random_epochs,
    thin,
)
from broker.training.packets import Record
from broker.training.template_fit import TemplateStart
from broker.training.training_set import TrainingSet
from broker.training.ztf_sources import (
    BROAD,
    CORE_COLLAPSE,
    LABELLED_SN,
    OTHER,
    SN_IA,
    read_bts,
    read_packets,
    read_periodic,
    synthetic_curves,
)
from broker.units import Floats

PACKET_DAYS = 30.0
"""History that a packet carries."""
EARLY_DAYS = (5.0, 10.0, 15.0, 20.0, 30.0, 50.0)
N_EPOCHS = 8
N_ALERTS = 5
"""Random alerts per object in the trial of that name."""
N_WINDOWS = 12
CLASS_WEIGHT = np.array([1.0, 1.5, 1.5])
SOURCE_WEIGHT = {"stellar": 3.0, "SIMBAD": 3.0, "synthetic": 0.3}
"""By the first word of the source: what is real counts more than what is made."""
OTHER_SHARE = 0.3
"""Weight of an object of no BTS class in the calibration's mix, against 1 for a BTS object."""
_COLOUR = np.array([0.5, -0.5])
# First guess of the templates: BTS types and quantiles of the duration above half maximum.
_N_IA = 8
_CORE_COLLAPSE_TYPES = (
    (("SN II", "SN IIP", "SN II-pec"), 6),
    (("SN IIn", "SN Ibn"), 4),
    (("SN IIb", "SN Ib", "SN Ib/c", "SN Ic", "SN Ic-BL", "SN Ca-rich"), 4),
)
_TEMPLATE_DAYS, _TEMPLATE_MIN_POINTS = 200.0, 5


def build_training_set(data: Path, synthetic: Sequence[tuple[Record, str]]) -> TrainingSet:
    """Everything for the ZTF model.

    Parameters
    ----------
    data
        Folder with ``labelled/``, ``ztf/`` and ``ztf_rebuilt/``.
    synthetic
        Packets of a synthetic night with the population of each.
    """
    bts, about = read_bts(data)
    packets, night = read_packets(data, set(bts.object_id.tolist())), synthetic_curves(synthetic)
    is_sn, is_synthetic_sn = packets.curves.source == LABELLED_SN, night.curves.label != OTHER
    recorded, made = packets.take(~is_sn), night.take(~is_synthetic_sn)
    periodic = _windows(read_periodic(data))
    short = bts.take(np.flatnonzero(bts.last_mjd() - bts.first_mjd() <= MAX_DAYS))
    curves = _learnt(short, recorded.curves, [periodic, made.curves])
    template_rows = np.flatnonzero(short.points.counts >= _TEMPLATE_MIN_POINTS)
    first = short.first_mjd()[template_rows]
    trials = _bts_trials(bts)
    rare = bts.take(np.flatnonzero(bts.label == OTHER))
    others = concatenate([rare, periodic, recorded.as_in_stream(), made.as_in_stream()])
    return TrainingSet(
        survey="ztf",
        curves=curves,
        weight=_weights(curves),
        template_curves=short.cut(template_rows, first, first + _TEMPLATE_DAYS),
        start_templates=_TypeStarts(about.loc[list(short.object_id[template_rows])]),
        trials={**trials, **_by_source(others)},
        calibration=_calibration_curves([*trials.values(), others]),
        cross_checks={
            LABELLED_SN: packets.take(is_sn).as_in_stream(),
            "synthetic SN": night.take(is_synthetic_sn).as_in_stream(),
        },
    )


def _learnt(
    bts: LabelledCurves, recorded: LabelledCurves, others: list[LabelledCurves]
) -> LabelledCurves:
    """Every light curve that the trees learn from."""
    cuts = _cuts(bts)
    chosen, stop = random_epochs(recorded.points, recorded.object_id, N_EPOCHS)
    earlier = recorded.cut(chosen, stop - PACKET_DAYS, stop)
    parts = [recorded, earlier, *others]
    return concatenate([cuts, thin(cuts), *(part.enough() for part in parts)])


def _weights(curves: LabelledCurves) -> Floats:
    by_source = [SOURCE_WEIGHT.get(name.partition(" ")[0], 1.0) for name in curves.source]
    weight = equal_weights(curves.object_id) * CLASS_WEIGHT[curves.label]
    return np.asarray(weight * np.array(by_source))


def _cuts(curves: LabelledCurves) -> LabelledCurves:
    """Every object at random epochs, with all its past and as a packet has it, and early."""
    chosen, stop = random_epochs(curves.points, curves.object_id, N_EPOCHS)
    first = curves.first_mjd()
    long = stop - first[chosen] > PACKET_DAYS
    everyone = np.arange(len(curves))
    parts = [
        curves.cut(chosen, stop - PACKET_DAYS, stop),
        curves.cut(chosen[long], first[chosen[long]], stop[long]),
        *(curves.cut(everyone, first, first + days) for days in EARLY_DAYS),
        curves,
    ]
    return concatenate([part.enough() for part in parts])


def _windows(curves: LabelledCurves) -> LabelledCurves:
    """Some 30-day windows of each light curve."""
    chosen, stop = random_epochs(curves.points, curves.object_id, N_WINDOWS)
    return curves.cut(chosen, stop - PACKET_DAYS, stop).enough()


def _bts_trials(bts: LabelledCurves) -> dict[str, LabelledCurves]:
    """SN Ia against core collapse at the ages that matter, scored or not."""
    supernovae = bts.take(np.flatnonzero(bts.label != OTHER))
    everyone, first = np.arange(len(supernovae)), supernovae.first_mjd()
    random = np.random.default_rng(3)
    alerts = []
    for _ in range(N_ALERTS):
        counts = supernovae.points.counts
        stop = supernovae.points.offsets[:-1] + (random.random(len(counts)) * counts).astype(int)
        mjd = supernovae.points.mjd[stop]
        alerts.append(supernovae.cut(everyone, mjd - PACKET_DAYS, mjd))
    return {
        "all points": supernovae,
        "first 30 days": supernovae.cut(everyone, first, first + 30.0),
        "first 10 days": supernovae.cut(everyone, first, first + 10.0),
        "random alert": concatenate(alerts),
    }


def _by_source(curves: LabelledCurves) -> dict[str, LabelledCurves]:
    names = [str(name) for name in np.unique(curves.source)]
    return {name: curves.take(np.flatnonzero(curves.source == name)) for name in names}


def _calibration_curves(parts: list[LabelledCurves]) -> tuple[LabelledCurves, Floats]:
    everything = concatenate(parts).enough()
    age = everything.last_mjd() - everything.first_mjd()
    scored = everything.take(np.flatnonzero(age <= MAX_DAYS))
    from_bts = np.char.startswith(scored.source, "BTS")
    return scored, equal_weights(scored.object_id) * np.where(from_bts, 1.0, OTHER_SHARE)


class _TypeStarts:
    """First guess of each BTS object's template."""

    def __init__(self, about: pd.DataFrame) -> None:
        self._type = about.type.to_numpy(dtype=str)
        self._label = about.broad.map(BROAD).fillna(OTHER).to_numpy(dtype=np.int64)
        words = about.duration.astype(str).str.lstrip(">")
        self._duration = pd.to_numeric(words, errors="coerce").fillna(30.0).to_numpy()

    def __call__(self, rows: Ints) -> TemplateStart:
        """Where the fit of these objects starts."""
        kind, label, duration = self._type[rows], self._label[rows], self._duration[rows]
        groups = [(label == SN_IA, _N_IA, SN_IA)]
        groups += [(np.isin(kind, types), n, CORE_COLLAPSE) for types, n in _CORE_COLLAPSE_TYPES]
        groups.append((label == OTHER, 1, OTHER))
        template = np.zeros(len(rows), dtype=np.int64)
        template[label == CORE_COLLAPSE] = _N_IA  # types of no group go with the first
        class_of: list[int] = []
        for members, n, of_class in groups:
            edges = np.quantile(duration[members], np.arange(1, n) / n) if members.any() else []
            template[members] = len(class_of) + np.searchsorted(edges, duration[members])
            class_of += [of_class] * n
        return TemplateStart(
            template,
            np.array(class_of),
            _COLOUR,
            declared_model("ztf").bands,
            model_error_mag=0.06,
            n_rounds=8,
        )
