"""Rows as a VOTable, which TOPCAT and astropy read with units and meanings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.table import Column, MaskedColumn, Table

from broker.query.flat import as_text, flat, flat_name, with_structs_of_lists

# What tools look for to know a position, a time and a name without being told (IVOA UCD1+).
_UCDS = {
    "alert_id": "meta.id;meta.main",
    "object_id": "meta.id",
    "ra_deg": "pos.eq.ra;meta.main",
    "dec_deg": "pos.eq.dec;meta.main",
    "mjd": "time.epoch",
    "mag": "phot.mag",
    "mag_err": "stat.error;phot.mag",
}
# Units as the tables declare them → as VOUnits has them; others are part of the meaning.
_UNITS = {
    **{name: name for name in ("deg", "mag", "mag/d", "d", "arcsec", "nJy", "s")},
    "mag (AB)": "mag",
    "d (MJD, the survey's scale)": "d",
    "d (JD, UTC)": "d",
    "pix": "pixel",
}


def write_votable(
    rows: pa.Table, path: Path, described: Mapping[str, tuple[str, str]] | None = None
) -> None:
    """Write rows as a VOTable (BINARY2).

    Fields of structs become columns of their own. So do fields of a light curve's points: numbers
    as arrays, with NaN where one is missing, all else as JSON.

    Parameters
    ----------
    described
        Path of a column → unit and meaning.
    """
    told = {flat_name(path): text for path, text in (described or {}).items()}
    plain = flat(with_structs_of_lists(flat(rows)))
    columns = {name: _column(plain[name].combine_chunks()) for name in plain.column_names}
    table = Table(columns, copy=False)
    for name, column in columns.items():
        unit, meaning = told.get(name, ("", ""))
        table[name].unit = _UNITS.get(unit)
        said = f"{meaning} ({unit})" if unit and unit not in _UNITS else meaning
        table[name].description = said or None
        table[name].meta |= column.meta | ({"ucd": _UCDS[name]} if name in _UCDS else {})
    table.write(str(path), format="votable", tabledata_format="binary2", overwrite=False)


def _column(values: pa.Array) -> Any:
    kind = values.type
    if pa.types.is_decimal(kind):  # DuckDB's sums of whole numbers
        return _column(values.cast(pa.float64()))
    if pa.types.is_floating(kind):
        return Column(values.to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        filled = values.fill_null(0 if pa.types.is_integer(kind) else False)
        mask = values.is_null().to_numpy(zero_copy_only=False)
        return MaskedColumn(filled.to_numpy(zero_copy_only=False), mask=mask)
    if pa.types.is_list(kind) and pa.types.is_floating(kind.value_type):
        arrays = [_masked(one or ()) for one in values.to_pylist()]
        return Column(_objects(arrays) if arrays else np.empty(0))
    if pa.types.is_timestamp(kind):
        text = [one.strftime("%Y-%m-%dT%H:%M:%S.%f") if one else "" for one in values.to_pylist()]
        return Column(np.array(text, dtype=np.str_), meta={"xtype": "timestamp"})
    return Column(np.array([as_text(one) for one in values.to_pylist()], dtype=np.str_))


def _masked(values: Sequence[float | None]) -> Any:
    floats = np.array(values, dtype=np.float64)
    return np.ma.array(floats, mask=np.isnan(floats))


def _objects(values: list[Any]) -> Any:
    """Array of objects, even where all of them have one length."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
