"""ZTF's training set: BTS light curves, and what else the alert stream shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from broker.packets.files import iterate_packets
from broker.science.features.detections import Detections
from broker.science.scoring import BANDS_OF_MODEL, CLASSES, MAX_DAYS, MIN_POINTS
from broker.surveys.arrow_columns import Bools, Ints
from broker.training.curves import (
    Curves,
    Strings,
    concatenate,
    equal_weights,
    random_epochs,
)
from broker.training.packets import Record, decode, light_curves
from broker.training.template_fit import Start
from broker.training.training_set import TrainingSet
from broker.units import Floats, flux_err_from_mag, flux_from_mag

SN_IA, CORE_COLLAPSE, OTHER = range(len(CLASSES["ztf"]))
PACKET_DAYS = 30.0
"""History that a packet carries."""
EARLY_DAYS = (5.0, 10.0, 15.0, 20.0, 30.0, 50.0)
N_EPOCHS = 8
N_ALERTS = 5
"""Random alerts per object in the trial of that name."""
N_WINDOWS = 12
CLASS_WEIGHT = np.array([1.0, 1.5, 1.5])
OTHER_SHARE = 0.3
"""Weight of an object of no BTS class in the calibration's mix, against 1 for a BTS object."""
_BANDS = {"g": 0, "R": 1}
_BAND_OF_FID = {1: 0, 2: 1}
_BROAD = {"SN Ia": SN_IA, "SN CC": CORE_COLLAPSE}
_COLOUR = np.array([0.5, -0.5])
_STAR_ARCSEC, _STAR_SCORE = 1.0, 0.76
# SIMBAD words for hosts, for supernovae, and for what says nothing.
_NOT_OTHER = (
    *("SN", "Supernova", "Transient", "Galaxy", "GinCl", "HII_G", "LINER"),
    *("Cluster", "Inexistent", "multiple_object", "denseCore"),
)
# First guess of the templates: BTS types and quantiles of the duration above half maximum.
_CORE_COLLAPSE_TYPES = (
    (("SN II", "SN IIP", "SN II-pec"), 3),
    (("SN IIn", "SN Ibn"), 2),
    (("SN IIb", "SN Ib", "SN Ib/c", "SN Ic", "SN Ic-BL", "SN Ca-rich"), 2),
)
_N_IA = 5
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
    packets = read_packets(data, set(bts.object_id.tolist()))
    night = _synthetic_curves(synthetic)
    periodic = _windows(read_periodic(data))
    real = packets.source != "labelled SN in packets"
    variable = night.label == OTHER
    others = [periodic, packets.take(np.flatnonzero(real)), night.take(np.flatnonzero(variable))]
    other = concatenate([curves.enough() for curves in others])
    short = _short_lived(bts)
    cuts = _cuts(short)
    curves = concatenate([cuts, other])
    weight = equal_weights(curves.object_id) * CLASS_WEIGHT[curves.label]
    template_rows = np.flatnonzero(short.points.counts >= _TEMPLATE_MIN_POINTS)
    first = short.first_mjd()[template_rows]
    trials = _bts_trials(bts)
    return TrainingSet(
        survey="ztf",
        curves=curves,
        weight=weight,
        template_curves=short.cut(template_rows, first, first + _TEMPLATE_DAYS),
        start_templates=_Starts(about.loc[list(short.object_id[template_rows])]),
        trials={**trials, **_other_trials(bts, other)},
        calibration=_calibration_curves(trials, bts, other),
        cross_checks={
            "labelled SN in packets": packets.take(np.flatnonzero(~real)).enough(),
            "synthetic SN": night.take(np.flatnonzero(~variable)).enough(),
        },
    )


def read_bts(data: Path) -> tuple[Curves, pd.DataFrame]:
    """BTS light curves, whole, and the table of their objects."""
    folder = data / "labelled" / "bts_antares"
    about = pd.read_csv(folder / "objects.csv", dtype={"duration": str}).set_index("objectId")
    rows = pd.read_parquet(folder / "lightcurves.parquet")
    rows["code"] = rows.band.astype(str).map(_BANDS)
    curves = _from_rows(rows, "mag", "magerr")
    broad = about.broad.loc[list(curves.object_id)]
    label = np.array([_BROAD.get(word, OTHER) for word in broad], dtype=np.int64)
    source = np.array([f"BTS {word}" for word in broad])
    return Curves(curves.points, curves.object_id, label, source), about


def read_periodic(data: Path) -> Curves:
    """Periodic variable stars, whole."""
    rows = pd.read_parquet(
        data / "labelled" / "alerce_catalog_labels" / "periodic_lightcurves_25.parquet"
    )
    rows["code"] = rows.fid.map(_BAND_OF_FID)
    curves = _from_rows(rows.dropna(subset=["code"]), "magpsf", "sigmapsf")
    label = np.full(len(curves), OTHER, dtype=np.int64)
    return Curves(
        curves.points, curves.object_id, label, np.full(len(curves), "periodic variables")
    )


def read_packets(data: Path, excluded: set[str]) -> Curves:
    """Histories of recorded packets that tell what they are, but of no excluded object."""
    table = pd.read_csv(data / "labelled" / "ztf_packets" / "objects.csv").set_index("objectId")
    values = (p.value for folder in ("ztf", "ztf_rebuilt") for p in iterate_packets(data / folder))
    records, labels, sources = [], [], []
    for record in decode(values):
        found = _packet_label(record, table)
        if found is not None and record["objectId"] not in excluded:
            records.append(record)
            labels.append(found[0])
            sources.append(found[1])
    ids = np.array([record["objectId"] for record in records])
    return Curves(light_curves(records, "ztf"), ids, np.array(labels), np.array(sources))


def _packet_label(record: Record, table: pd.DataFrame) -> tuple[int, str] | None:
    """Class and source of a packet; None: it doesn't tell what it is."""
    name, candidate = record["objectId"], record["candidate"]
    if name in table.index and table.broad[name] in _BROAD:
        return _BROAD[table.broad[name]], "labelled SN in packets"
    distance, score = candidate.get("distpsnr1"), candidate.get("sgscore1")
    matched = distance is not None and score is not None
    if matched and 0 <= distance < _STAR_ARCSEC and score > _STAR_SCORE:
        return OTHER, "stellar PS1 match"
    simbad = table.simbad.get(name)
    if isinstance(simbad, str) and not any(word in simbad for word in _NOT_OTHER):
        return OTHER, "SIMBAD"
    return None


def _synthetic_curves(synthetic: Sequence[tuple[Record, str]]) -> Curves:
    """Histories of a synthetic night; supernovae are there for a cross-check alone."""
    classes = {"sn_ia": SN_IA, "core_collapse": CORE_COLLAPSE}
    populations = [population for _, population in synthetic]
    return Curves(
        light_curves([record for record, _ in synthetic], "ztf"),
        np.array([record["objectId"] for record, _ in synthetic]),
        np.array([classes.get(population, OTHER) for population in populations]),
        np.array([f"synthetic {population}" for population in populations]),
    )


def _from_rows(rows: pd.DataFrame, mag: str, mag_err: str) -> Curves:
    """Light curves of a table of detections; labels and sources are still to come."""
    ordered = rows.sort_values(["objectId", "mjd", "code"], kind="stable")
    names, counts = np.unique(ordered.objectId.to_numpy(dtype=str), return_counts=True)
    flux = flux_from_mag(ordered[mag].to_numpy(dtype=np.float64))
    points = Detections(
        ordered.mjd.to_numpy(dtype=np.float64),
        ordered.code.to_numpy(dtype=np.int64),
        flux,
        flux_err_from_mag(flux, ordered[mag_err].to_numpy(dtype=np.float64)),
        np.concatenate([[0], np.cumsum(counts)]),
        len(BANDS_OF_MODEL["ztf"]),
    )
    n = len(names)
    return Curves(points, names, np.zeros(n, dtype=np.int64), np.full(n, ""))


def _short_lived(curves: Curves) -> Curves:
    return curves.take(np.flatnonzero(curves.last_mjd() - curves.first_mjd() <= MAX_DAYS))


def _cuts(curves: Curves) -> Curves:
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


def _windows(curves: Curves) -> Curves:
    """Some 30-day windows of each light curve."""
    chosen, stop = random_epochs(curves.points, curves.object_id, N_WINDOWS)
    return curves.cut(chosen, stop - PACKET_DAYS, stop)


def _bts_trials(bts: Curves) -> dict[str, Curves]:
    """SN Ia against core collapse, at the ages that are asked for; without score where not."""
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


def _other_trials(bts: Curves, other: Curves) -> dict[str, Curves]:
    """Each kind of `other` apart; objects of BTS whole."""
    rare = bts.take(np.flatnonzero(bts.label == OTHER))
    both = concatenate([rare, other])
    return {name: both.take(np.flatnonzero(both.source == name)) for name in _names(both.source)}


def _names(source: Strings) -> list[str]:
    return [str(name) for name in np.unique(source)]


def _calibration_curves(
    trials: dict[str, Curves], bts: Curves, other: Curves
) -> tuple[Curves, Floats]:
    rare = bts.take(np.flatnonzero(bts.label == OTHER))
    everything = concatenate([*trials.values(), rare, other])
    from_bts = np.char.startswith(everything.source, "BTS")
    weight = equal_weights(everything.object_id) * np.where(from_bts, 1.0, OTHER_SHARE)
    kept = np.flatnonzero(_has_score(everything.points))
    return everything.take(kept), weight[kept]


def _has_score(points: Detections) -> Bools:
    age = points.mjd[points.offsets[1:] - 1] - points.mjd[points.offsets[:-1]]
    return np.asarray((points.counts >= MIN_POINTS) & (age <= MAX_DAYS))


class _Starts:
    """First guess of each BTS object's template."""

    def __init__(self, about: pd.DataFrame) -> None:
        self._type = about.type.to_numpy(dtype=str)
        self._label = about.broad.map(_BROAD).fillna(OTHER).to_numpy(dtype=np.int64)
        words = about.duration.astype(str).str.lstrip(">")
        self._duration = pd.to_numeric(words, errors="coerce").fillna(30.0).to_numpy()

    def __call__(self, rows: Ints) -> Start:
        """Where the fit of these objects starts."""
        kind, label, duration = self._type[rows], self._label[rows], self._duration[rows]
        template = np.zeros(len(rows), dtype=np.int64)
        class_of: list[int] = []
        groups = [(label == SN_IA, _N_IA, SN_IA)]
        groups += [(np.isin(kind, types), n, CORE_COLLAPSE) for types, n in _CORE_COLLAPSE_TYPES]
        groups.append((label == OTHER, 1, OTHER))
        template[label == CORE_COLLAPSE] = _N_IA
        for members, n, of_class in groups:
            edges = np.quantile(duration[members], np.arange(1, n) / n) if members.any() else []
            template[members] = len(class_of) + np.searchsorted(edges, duration[members])
            class_of += [of_class] * n
        return Start(template, np.array(class_of), _COLOUR, BANDS_OF_MODEL["ztf"])
