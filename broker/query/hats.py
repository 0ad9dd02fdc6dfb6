"""Rows as a HATS catalogue, which lsdb opens: a Parquet file for each part of the sky.

HATS (Hierarchical Adaptive Tiling Scheme) is an IVOA note: parts are HEALPix cells, the smaller the
more crowded; a properties file names the columns that matter, and Parquet's own ``_metadata`` holds
the footers of all parts. It is written with what is here already: lsdb itself needs pandas 3, which
Spark 4.1 does not work with, so whoever reads has it in an environment of their own.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from broker.errors import UsageError
from broker.query.archive import Archive, Ask
from broker.query.flat import flat, flat_name, with_structs_of_lists

Kind = Literal["source", "object"]
"""Kind of catalogue: a row for each alert, or for each object."""
Column = tuple[str, str]
"""A column's unit and meaning."""
# What a worker of lsdb takes into memory at once: some 300 MB with light curves.
_MOST_ROWS = 100_000
_ROWS_PER_GROUP = 10_000
_FINEST_ORDER = 12
_CELL_ORDER = 29
_DEFAULT = (
    *("alert_id", "object_id", "ra_deg", "dec_deg", "night", "mjd", "band", "mag", "mag_err"),
    *("is_positive", "n_detections", "age_days", "real_bogus.score", "solar_system.code"),
    *("classifier.label", "classifier.score", "lightcurve", "n_alerts"),
)


@dataclass(frozen=True)
class Part:
    """HEALPix cell (NESTED) that becomes a file, and its number of rows."""

    order: int
    pixel: int
    n_rows: int

    @property
    def cells(self) -> tuple[int, int]:
        """First and last cell of order 29 in it."""
        shift = 2 * (_CELL_ORDER - self.order)
        return self.pixel << shift, ((self.pixel + 1) << shift) - 1

    @property
    def file(self) -> str:
        """Path below ``dataset/``."""
        folder = self.pixel // 10_000 * 10_000
        return f"Norder={self.order}/Dir={folder}/Npix={self.pixel}.parquet"


def split_sky(cells: npt.NDArray[np.int64], most_rows: int = _MOST_ROWS) -> Iterator[Part]:
    """Cells with rows, the largest that have no more than so many.

    Parameters
    ----------
    cells
        Cell of order 29 of each row, shape (n_rows,), sorted.
    """
    for pixel in range(12):
        yield from _split(cells, 0, pixel, most_rows)


def export_hats(
    archive: Archive,
    folder: Path,
    kind: Kind = "source",
    nights: str | None = None,
    where: str | None = None,
    described: Mapping[str, Column] | None = None,
) -> list[Part]:
    """Write alerts or objects as a HATS catalogue, all of one state of the tables.

    Parameters
    ----------
    folder
        New folder; its name is the catalogue's.
    nights
        ``A`` or ``A..B``; none: all.
    where
        SQL over the science columns.
    described
        Path of a column → unit and meaning, kept in the files.

    Raises
    ------
    UsageError
        The folder exists, or there is no such row.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists; give a new folder")
    table = "science" if kind == "source" else "objects"
    rows = f"SELECT * FROM {table}" + (f" WHERE ({where})" if where else "")
    unfinished = folder.with_name(f".{folder.name}.unfinished")

    def write(ask: Ask) -> list[Part]:
        shutil.rmtree(unfinished, ignore_errors=True)
        parts = _find_parts(ask, rows)
        _write_parts(ask, rows, parts, unfinished / "dataset", described or {})
        _write_properties(unfinished, folder.name, kind, parts)
        return parts

    try:
        parts = archive.together(write, nights)
        unfinished.rename(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return parts


def _split(cells: npt.NDArray[np.int64], order: int, pixel: int, most_rows: int) -> Iterator[Part]:
    part = Part(order, pixel, 0)
    first, last = part.cells
    inside = cells[np.searchsorted(cells, first) : np.searchsorted(cells, last, side="right")]
    if len(inside) <= most_rows or order == _FINEST_ORDER:
        if len(inside):
            yield Part(order, pixel, len(inside))
        return
    for child in range(4 * pixel, 4 * pixel + 4):
        yield from _split(inside, order + 1, child, most_rows)


def _find_parts(ask: Ask, rows: str) -> list[Part]:
    cells = ask(f"SELECT healpix29 FROM ({rows}) ORDER BY healpix29")["healpix29"].to_numpy()
    parts = sorted(split_sky(cells), key=lambda part: (part.order, part.pixel))
    if not parts:
        raise UsageError("no row of these nights is so; a catalogue needs at least one")
    return parts


def _write_parts(
    ask: Ask, rows: str, parts: Sequence[Part], dataset: Path, described: Mapping[str, Column]
) -> None:
    footers: list[pq.FileMetaData] = []
    for part in parts:
        first, last = part.cells
        query = (
            f"SELECT * FROM ({rows}) WHERE healpix29 BETWEEN {first} AND {last} "
            "ORDER BY healpix29, mjd, alert_id"
        )
        table = _describe(with_structs_of_lists(flat(ask(query))), described)
        path = dataset / part.file
        path.parent.mkdir(parents=True, exist_ok=True)
        collected: list[pq.FileMetaData] = []
        pq.write_table(
            table,
            path,
            compression="zstd",
            row_group_size=_ROWS_PER_GROUP,
            metadata_collector=collected,
        )
        collected[0].set_file_path(part.file)
        footers += collected
    pq.write_metadata(table.schema, dataset / "_common_metadata")
    pq.write_metadata(table.schema, dataset / "_metadata", metadata_collector=footers)


def _describe(rows: pa.Table, described: Mapping[str, Column]) -> pa.Table:
    told = {flat_name(path): column for path, column in described.items()}
    fields = [
        field.with_metadata(dict(zip(("unit", "meaning"), told[field.name], strict=True)))
        if field.name in told
        else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))


def _write_properties(folder: Path, name: str, kind: Kind, parts: Sequence[Part]) -> None:
    names = pq.read_schema(folder / "dataset/_common_metadata").names
    default = [flat_name(path) for path in _DEFAULT if flat_name(path) in names]
    n_bytes = sum(path.stat().st_size for path in (folder / "dataset").rglob("*.parquet"))
    properties = {
        "obs_collection": name,
        "dataproduct_type": kind,
        "hats_nrows": sum(part.n_rows for part in parts),
        "hats_col_ra": "ra_deg",
        "hats_col_dec": "dec_deg",
        "hats_col_healpix": "healpix29",
        "hats_col_healpix_order": _CELL_ORDER,
        "hats_cols_default": " ".join(default),
        "hats_max_rows": max(part.n_rows for part in parts),
        "hats_order": max(part.order for part in parts),
        "hats_npix_suffix": ".parquet",
        "hats_estsize": n_bytes // 1024,
        "hats_builder": f"nightjar {version('nightjar-broker')}",
        "hats_creation_date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "hats_version": "v1.0",
    }
    text = "".join(f"{key}={value}\n" for key, value in properties.items())
    # Under both names: earlier readers know the second.
    for file in ("hats.properties", "properties"):
        (folder / file).write_text(text, encoding="utf-8")
    lines = ["Norder,Npix", *(f"{part.order},{part.pixel}" for part in parts)]
    (folder / "partition_info.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
