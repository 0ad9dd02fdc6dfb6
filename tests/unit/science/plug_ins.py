"""Functions as somebody else's package would bring them, and the files that switch them on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import (
    ArrayType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
)

FAINT = StructType([StructField("is_faint", StringType()), StructField("field", LongType())])


def switch_on(folder: Path, name: str, **keys: object) -> Path:
    """Write ``<folder>/<name>.toml`` for a function of this file."""
    said = {"function": f"{__name__}:{name}", "version": "0.1", "meaning": "for tests"} | keys
    path = folder / f"{name}.toml"
    path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in said.items()))
    return path


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    # TOML and JSON agree on strings, numbers and lists of them.
    return json.dumps(value)


def faint(mag: pd.Series, is_real: pd.Series, field: pd.Series) -> pd.DataFrame:
    """Whether an alert is real and fainter than 19.5 mag."""
    is_faint = (is_real == True) & (mag > 19.5)  # noqa: E712 - null is not true
    return pd.DataFrame({"is_faint": is_faint, "field": field})


FAINT_KEYS: dict[str, object] = {
    "inputs": ["mag", "real_bogus.is_real", "candidate.field"],
    "returns": "struct<is_faint: boolean, field: bigint>",
}


@pandas_udf(DoubleType())
def picky(gal_lat_deg: pd.Series) -> pd.Series:
    """Raises on alerts at southern galactic latitudes."""
    if (gal_lat_deg < 0).any():
        raise ValueError(f"{np.count_nonzero(gal_lat_deg < 0)} alerts are southern")
    return gal_lat_deg


PICKY_KEYS: dict[str, object] = {
    "inputs": ["gal_lat_deg"],
    "returns": "double",
    "unit": "deg",
    "meaning": "galactic latitude, northern",
}


def wordy(mag: pd.Series) -> pd.Series:
    """Returns words, whatever is declared."""
    return mag.astype(str) + " mag"


def short(mag: pd.Series) -> pd.Series:
    """Returns a row too few."""
    return mag.iloc[1:]


@pandas_udf(IntegerType())
def detections(mags: pd.Series) -> pd.Series:
    """Counts the magnitudes of a list."""
    return mags.map(lambda values: int(np.count_nonzero(~np.isnan(values)))).reset_index(drop=True)


@pandas_udf(ArrayType(DoubleType()))
def times(jds: pd.Series) -> pd.Series:
    """Days from each entry of a list to its last."""
    return jds.map(lambda values: list(values - values[-1]))


@pandas_udf(MapType(StringType(), DoubleType()))
def extremes(mags: pd.Series, offset: pd.Series, word: pd.Series) -> pd.Series:
    """Smallest and largest of a list, by name, with a constant added."""
    assert (word == "AB").all()
    found = zip(mags, offset, strict=True)
    return pd.Series(
        [
            {"low": np.nanmin(values) + more, "high": np.nanmax(values) + more}
            for values, more in found
        ]
    )


def kinds(alert_id: pd.Series, object_id: pd.Series, candid: pd.Series) -> pd.Series:
    """Says what it was given."""
    assert (alert_id == candid).all()
    return alert_id.map(lambda value: type(value).__name__) + " " + object_id


def double_of(low: pd.Series) -> pd.Series:
    """Reads what another of these modules gives."""
    return 2 * low


not_a_function = 3
