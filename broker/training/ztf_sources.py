"""Light curves for the ZTF model, from where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from broker.packets.files import iterate_packets
from broker.science.classifier.features.detections import Detections
from broker.science.classifier.model import declared_model
from broker.surveys.arrow_columns import Bools
from broker.training.curves import LabelledCurves
from broker.training.packets import Record, decode, has_score, light_curves
from broker.units import flux_err_from_mag, flux_from_mag

SN_IA, CORE_COLLAPSE, OTHER = range(len(declared_model("ztf").classes))
BROAD = {"SN Ia": SN_IA, "SN CC": CORE_COLLAPSE}
"""Class of each of BTS's broad types that has one of its own."""
LABELLED_SN = "labelled SN in packets"
_BANDS = {"g": 0, "R": 1}
_BAND_OF_FID = {1: 0, 2: 1}
_SYNTHETIC_SN = {"sn_ia": SN_IA, "core_collapse": CORE_COLLAPSE}
_STAR_ARCSEC, _STAR_SCORE = 1.0, 0.76
# SIMBAD words for hosts, for supernovae, and for what says nothing.
_NOT_OTHER = (
    *("SN", "Supernova", "Transient", "Galaxy", "GinCl", "HII_G", "LINER"),
    *("Cluster", "Inexistent", "multiple_object", "denseCore"),
)


@dataclass(frozen=True)
class PacketCurves:
    """Histories of packets; `scored` is whether the stream's classifier would score each."""

    curves: LabelledCurves
    scored: Bools

    def as_in_stream(self) -> LabelledCurves:
        """All curves; those that the stream would not score have no points."""
        curves = self.curves
        points = curves.points.keep(self.scored[curves.points.owner])
        return LabelledCurves(points, curves.object_id, curves.label, curves.source)

    def take(self, chosen: Bools) -> PacketCurves:
        """Packets where the mask is true."""
        return PacketCurves(self.curves.take(np.flatnonzero(chosen)), self.scored[chosen])


def read_bts(data: Path) -> tuple[LabelledCurves, pd.DataFrame]:
    """BTS light curves, whole, and the table of their objects."""
    folder = data / "labelled" / "bts_antares"
    about = pd.read_csv(folder / "objects.csv", dtype={"duration": str}).set_index("objectId")
    rows = pd.read_parquet(folder / "lightcurves.parquet")
    rows["code"] = rows.band.astype(str).map(_BANDS)
    curves = _from_rows(rows, "mag", "magerr")
    broad = about.broad.loc[list(curves.object_id)]
    label = np.array([BROAD.get(word, OTHER) for word in broad], dtype=np.int64)
    source = np.array([f"BTS {word}" for word in broad])
    return LabelledCurves(curves.points, curves.object_id, label, source), about


def read_periodic(data: Path) -> LabelledCurves:
    """Periodic variable stars, whole."""
    folder = data / "labelled" / "alerce_catalog_labels"
    rows = pd.read_parquet(folder / "periodic_lightcurves_25.parquet")
    rows["code"] = rows.fid.map(_BAND_OF_FID)
    curves = _from_rows(rows.dropna(subset=["code"]), "magpsf", "sigmapsf")
    label = np.full(len(curves), OTHER, dtype=np.int64)
    source = np.full(len(curves), "periodic variables")
    return LabelledCurves(curves.points, curves.object_id, label, source)


def read_packets(data: Path, excluded: set[str]) -> PacketCurves:
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
    return _packet_curves(records, labels, sources)


def synthetic_curves(synthetic: Sequence[tuple[Record, str]]) -> PacketCurves:
    """Histories of a synthetic night's packets, given with the population of each."""
    return _packet_curves(
        [record for record, _ in synthetic],
        [_SYNTHETIC_SN.get(population, OTHER) for _, population in synthetic],
        [f"synthetic {population}" for _, population in synthetic],
    )


def _packet_curves(records: list[Record], labels: list[int], sources: list[str]) -> PacketCurves:
    curves = LabelledCurves(
        light_curves(records, "ztf"),
        np.array([record["objectId"] for record in records]),
        np.array(labels, dtype=np.int64),
        np.array(sources),
    )
    return PacketCurves(curves, has_score(records))


def _packet_label(record: Record, table: pd.DataFrame) -> tuple[int, str] | None:
    """Class and source of a packet; None: it doesn't tell what it is."""
    name, candidate = record["objectId"], record["candidate"]
    if name in table.index and table.broad[name] in BROAD:
        return BROAD[table.broad[name]], LABELLED_SN
    distance, score = candidate.get("distpsnr1"), candidate.get("sgscore1")
    matched = distance is not None and score is not None
    if matched and 0 <= distance < _STAR_ARCSEC and score > _STAR_SCORE:
        return OTHER, "stellar PS1 match"
    simbad = table.simbad.get(name)
    if isinstance(simbad, str) and not any(word in simbad for word in _NOT_OTHER):
        return OTHER, "SIMBAD"
    return None


def _from_rows(rows: pd.DataFrame, mag: str, mag_err: str) -> LabelledCurves:
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
        len(declared_model("ztf").bands),
    )
    n = len(names)
    return LabelledCurves(points, names, np.zeros(n, dtype=np.int64), np.full(n, ""))
