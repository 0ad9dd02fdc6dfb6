"""Light curves of packets, by the same code that the stream runs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from broker.packets.framing import Decoder
from broker.science.classifier.features.detections import Detections, positive_detections
from broker.science.classifier.model import MANY_DETECTIONS, MAX_DAYS, declared_model
from broker.science.lightcurves.build import build_lightcurves
from broker.settings import ScienceSettings
from broker.surveys import get_survey
from broker.surveys.arrow_columns import ArrowColumns, Bools

Record = dict[str, Any]
_FLUX_ZERO_POINT = 31.4


def decode(values: Iterable[bytes]) -> list[Record]:
    """Records of packets that bring their schema, without cutouts."""
    decoder, records = Decoder("container"), []
    for value in values:
        record = decoder.decode(value).record
        records.append({k: v for k, v in record.items() if not k.startswith("cutout")})
    return records


def light_curves(records: Sequence[Record], survey: str) -> Detections:
    """Positive detections of each packet's history and alert."""
    mapping = get_survey(survey).science
    arrays = {path: _column(records, path) for path in mapping.photometry_paths}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # Nights of the far future have no leap seconds yet.
        warnings.simplefilter("ignore")
        photometry = mapping.read_photometry(ArrowColumns(arrays, len(records)), _FLUX_ZERO_POINT)
        return positive_detections(build_lightcurves(photometry), declared_model(survey).bands)


def has_score(records: Sequence[Record]) -> Bools:
    """Whether a ZTF packet's own facts let the classifier score it, with default settings."""
    settings = ScienceSettings(modules=())
    return np.array([_has_score(record["candidate"], settings) for record in records], dtype=bool)


def _has_score(candidate: Record, settings: ScienceSettings) -> bool:
    drb, version = candidate.get("drb"), candidate.get("drbversion")
    if drb is None or not version:
        is_real = candidate["rb"] >= settings.rb_threshold
    else:
        is_real = drb >= settings.drb_threshold
    is_known = 0 <= candidate["ssdistnr"] < settings.radius_arcsec
    age_days = candidate["jd"] - candidate["jdstarthist"]
    is_old = candidate["ndethist"] > MANY_DETECTIONS and age_days > MAX_DAYS
    return bool(is_real and not is_known and not is_old)


def _column(records: Sequence[Record], path: str) -> pa.Array:
    top, _, name = path.partition(".")
    values = [_value(record.get(top), name) for record in records]
    column = pa.array(values)
    many = any(isinstance(record.get(top), list) for record in records)
    if pa.types.is_null(column.type):
        return column.cast(pa.list_(pa.float64()) if many or top == "fp_hists" else pa.float64())
    if pa.types.is_list(column.type) and pa.types.is_null(column.type.value_type):
        return column.cast(pa.list_(pa.float64()))
    return column


def _value(record: Any, name: str) -> Any:
    if isinstance(record, list):
        return [entry.get(name) for entry in record]
    return record.get(name) if isinstance(record, dict) else record
