"""Light curves in a table of detections, scored by the classifier that the stream runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from broker.errors import InputError
from broker.science.classifier.features.detections import Detections
from broker.science.classifier.model import declared_model, light_curve_reasons
from broker.science.modules.classifier import score_detections
from broker.surveys import get_survey
from broker.surveys.arrow_columns import Bools, Ints
from broker.units import Floats, flux_err_from_mag, flux_from_mag

_MAGNITUDES, _FLUXES = ("mag", "magerr"), ("flux", "flux_err")
_SCORES = ("score", "label", "probabilities", "n_points", "reason")


@dataclass(frozen=True)
class LightCurveTable:
    """Positive detections of a file, ordered by object, time and band.

    Attributes
    ----------
    object_id
        Objects in the order in which the file names them first.
    owner, mjd
        Object (its position) and time of each detection, shape (n_points,).
    band
        Position in the model's bands, −1 for a band that it does not know.
    """

    object_id: pa.Array
    owner: Ints
    mjd: Floats
    band: Ints
    flux_njy: Floats
    flux_err_njy: Floats

    def keep(self, chosen: Bools) -> LightCurveTable:
        """Detections where the mask is true, of the same objects."""
        return LightCurveTable(
            self.object_id,
            self.owner[chosen],
            self.mjd[chosen],
            self.band[chosen],
            self.flux_njy[chosen],
            self.flux_err_njy[chosen],
        )

    def extreme_mjd(self, ufunc: np.ufunc, fill: float) -> Floats:
        """First (minimum) or last (maximum) time of each object; `fill` without a detection."""
        result = np.full(len(self.object_id), fill)
        ufunc.at(result, self.owner, self.mjd)
        return result


def read_light_curves(path: Path, survey: str) -> LightCurveTable:
    """Light curves of a Parquet file.

    Columns: objectId, mjd, band, and mag, magerr (AB) or flux, flux_err (nJy, signed). Rows
    without a brightness or with a negative flux are no positive detections and are left out; of
    several rows of one object, time and band the one with the smallest error stays.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or a band is unknown.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error
    brightness = _brightness_columns(table.column_names, path)
    objects = table["objectId"].combine_chunks().dictionary_encode()
    if objects.null_count:
        raise InputError(f"{path}: {objects.null_count} rows have no objectId")
    first, second = (_floats(table, name, path) for name in brightness)
    if brightness == _MAGNITUDES:
        first = flux_from_mag(first)
        second = flux_err_from_mag(first, second)
    curves = LightCurveTable(
        object_id=objects.dictionary,
        owner=objects.indices.to_numpy().astype(np.int64),
        mjd=_floats(table, "mjd", path),
        band=_bands(table["band"].combine_chunks(), survey, path),
        flux_njy=first,
        flux_err_njy=second,
    )
    with np.errstate(invalid="ignore"):
        positive = (curves.flux_njy > 0) & (curves.flux_err_njy > 0) & np.isfinite(curves.mjd)
    return _ordered(curves.keep(positive))


def cut_light_curves(
    curves: LightCurveTable, max_age_days: float | None, window_days: float | None
) -> LightCurveTable:
    """Light curves as they were at an age, and of those the last days alone.

    Parameters
    ----------
    max_age_days
        Detections up to so long after the object's first.
    window_days
        Of these, detections up to so long before the last.
    """
    if max_age_days is not None:
        first = curves.extreme_mjd(np.minimum, np.inf)
        curves = curves.keep(curves.mjd <= first[curves.owner] + max_age_days)
    if window_days is not None:
        last = curves.extreme_mjd(np.maximum, -np.inf)
        curves = curves.keep(curves.mjd >= last[curves.owner] - window_days)
    return curves


def score_light_curves(curves: LightCurveTable, survey: str) -> pa.Table:
    """One row per object: objectId, score, label, probabilities, n_points, reason."""
    age = curves.extreme_mjd(np.maximum, -np.inf) - curves.extreme_mjd(np.minimum, np.inf)
    used = curves.keep(curves.band >= 0)
    counts = np.bincount(used.owner, minlength=len(used.object_id))
    points = Detections(
        used.mjd,
        used.band,
        used.flux_njy,
        used.flux_err_njy,
        np.concatenate([[0], np.cumsum(counts)]),
        len(declared_model(survey).bands),
    )
    scores = score_detections(points, light_curve_reasons(points, age), survey)
    columns = {name: pc.struct_field(scores, name) for name in _SCORES}
    return pa.table({"objectId": curves.object_id, **columns})


def _brightness_columns(names: list[str], path: Path) -> tuple[str, str]:
    fluxes = set(_FLUXES) <= set(names) and not set(_MAGNITUDES) <= set(names)
    brightness = _FLUXES if fluxes else _MAGNITUDES
    missing = [name for name in ("objectId", "mjd", "band", *brightness) if name not in names]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(names)}; wanted are "
            "objectId, mjd, band and mag, magerr (or flux, flux_err in nJy)"
        )
    return brightness


def _floats(table: pa.Table, name: str, path: Path) -> Floats:
    try:
        column = table[name].combine_chunks().cast(pa.float64())
    except pa.ArrowException as error:
        raise InputError(f"{path}: column {name} is {table[name].type}, not a number") from error
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _bands(names: pa.Array, survey: str, path: Path) -> Ints:
    encoded = names.cast(pa.string()).dictionary_encode()
    spelling, bands = _spelling(survey), declared_model(survey).bands
    found = encoded.dictionary.to_pylist()
    unknown = [str(name) for name in found if name not in spelling]
    if unknown or encoded.null_count:
        words = ", ".join(repr(name) for name in unknown) or "null"
        raise InputError(f"{path}: unknown band {words}; {survey} has {', '.join(spelling)}")
    known = [bands.index(spelling[n]) if spelling[n] in bands else -1 for n in found]
    return np.asarray(np.array(known, dtype=np.int64)[encoded.indices.to_numpy()])


def _spelling(survey: str) -> dict[str, str]:
    """Bands that a table may name; those that the model does not know do not count in the score."""
    spelling = get_survey(survey).bands.spelling
    return {name: band for name, band in spelling.items() if isinstance(name, str)}


def _ordered(curves: LightCurveTable) -> LightCurveTable:
    """By object, time and band; the least uncertain of several rows of one exposure."""
    keys = (curves.flux_njy, curves.flux_err_njy, curves.band, curves.mjd, curves.owner)
    order = np.lexsort(keys)
    owner, mjd, band = curves.owner[order], curves.mjd[order], curves.band[order]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[1:] = (owner[1:] == owner[:-1]) & (mjd[1:] == mjd[:-1]) & (band[1:] == band[:-1])
    chosen = order[~repeated]
    return LightCurveTable(
        curves.object_id,
        curves.owner[chosen],
        curves.mjd[chosen],
        curves.band[chosen],
        curves.flux_njy[chosen],
        curves.flux_err_njy[chosen],
    )
