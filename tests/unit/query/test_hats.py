"""A HATS catalogue: each row once, in the file of its part of the sky, as the format has it."""

from __future__ import annotations

import csv
from pathlib import Path

import cdshealpix
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import Latitude, Longitude

from broker.commands.app import main
from broker.errors import UsageError
from broker.query import Archive
from broker.query.hats import export_hats, split_sky
from tests.builders import NIGHT, put_archive, put_online
from tests.science_rows import plain_rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """300 alerts of 150 objects all over the sky, closed but for the last 50."""
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 300), np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    ids = list(range(1, 301))
    names = [f"ZTF{id_ % 150}" for id_ in ids]
    table = plain_rows(ids, ra_deg=ra, dec_deg=dec, object_id=names)
    put_archive(tmp_path / "ztf", {"a": table.slice(0, 250)})
    put_online(tmp_path / "ztf", "b", table.slice(250))
    return tmp_path / "ztf"


def test_parts_of_the_sky_are_as_large_as_they_may_be() -> None:
    rng = np.random.default_rng(1)
    crowd = rng.integers(5 << 50, (5 << 50) + (1 << 40), 4_000)
    cells = np.sort(np.append(rng.integers(0, 12 << 58, 2_000), crowd))
    parts = list(split_sky(cells, most_rows=100))
    counted = 0
    for part in parts:
        first, last = part.cells
        assert part.n_rows == ((cells >= first) & (cells <= last)).sum() > 0
        assert part.n_rows <= 100 or part.order == 12
        if part.order:
            whole = cells >> 2 * (30 - part.order) == part.pixel >> 2
            assert whole.sum() > 100
        counted += part.n_rows
    assert counted == len(cells)
    assert len({part.order for part in parts}) > 3


def test_a_catalogue_holds_each_row_once_where_it_belongs(root: Path) -> None:
    folder = root.parent / "alerts"
    described = {"mjd": ("d", "time"), "classifier.score": ("", "a score")}
    parts = export_hats(Archive(root, "arrow"), folder, described=described)
    dataset = ds.dataset(folder / "dataset", format="parquet", partitioning="hive")
    found = dataset.to_table(columns=[*dataset.schema.names, "__filename"])
    assert sorted(found["alert_id"].to_pylist()) == list(range(1, 301))
    lon = Longitude(found["ra_deg"].to_numpy(), unit="deg")
    lat = Latitude(found["dec_deg"].to_numpy(), unit="deg")
    orders = found["Norder"].to_numpy().astype(np.uint8)
    cells = cdshealpix.nested.lonlat_to_healpix(lon, lat, orders)
    pixels = [
        int(Path(name).stem.removeprefix("Npix=")) for name in found["__filename"].to_pylist()
    ]
    assert cells.tolist() == pixels
    assert {"classifier_score", "ingest_offset", "lightcurve"} <= set(found.column_names)
    assert found.schema.field("mjd").metadata == {b"unit": b"d", b"meaning": b"time"}
    assert found.schema.field("classifier_score").metadata[b"meaning"] == b"a score"
    assert sum(part.n_rows for part in parts) == 300


def test_what_describes_a_catalogue_agrees_with_its_files(root: Path) -> None:
    folder = root.parent / "alerts"
    export_hats(Archive(root, "arrow"), folder)
    files = {str(path.relative_to(folder / "dataset")) for path in folder.rglob("*.parquet")}
    footers = pq.read_metadata(folder / "dataset/_metadata")
    groups = [footers.row_group(k).column(0).file_path for k in range(footers.num_row_groups)]
    assert set(groups) == files
    with (folder / "partition_info.csv").open() as lines:
        listed = [(int(row["Norder"]), int(row["Npix"])) for row in csv.DictReader(lines)]
    assert {f"Norder={order}/Dir=0/Npix={pixel}.parquet" for order, pixel in listed} == files
    text = (folder / "hats.properties").read_text()
    assert text == (folder / "properties").read_text()
    told = dict(line.split("=", 1) for line in text.splitlines())
    assert (told["obs_collection"], told["dataproduct_type"]) == ("alerts", "source")
    assert int(told["hats_nrows"]) == footers.num_rows == 300
    columns = pq.read_schema(folder / "dataset/_common_metadata").names
    named = [told[f"hats_col_{what}"] for what in ("ra", "dec", "healpix")]
    assert {*named, *told["hats_cols_default"].split()} <= set(columns)


def test_objects_are_a_catalogue_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root.parent / "objects"
    words = ["export", "hats", str(folder), "--objects", "--set", f"storage.root={root.parent}"]
    assert main([*words, "--night", str(NIGHT), "--where", "alert_id > 200"]) == 0
    assert "100 rows in " in capsys.readouterr().out
    found = ds.dataset(folder / "dataset", format="parquet").to_table()
    assert sorted(found["alert_id"].to_pylist()) == list(range(201, 301))
    assert set(found["n_alerts"].to_pylist()) == {2}
    assert main(words) == 2
    assert "exists; give a new folder" in capsys.readouterr().err


def test_a_catalogue_of_nothing_is_refused_and_leaves_nothing(root: Path) -> None:
    with pytest.raises(UsageError, match="needs at least one"):
        export_hats(Archive(root, "arrow"), root.parent / "none", where="alert_id < 0")
    assert [path.name for path in root.parent.iterdir()] == ["ztf"]


def test_several_queries_start_again_when_a_night_is_replaced_meanwhile(root: Path) -> None:
    archive = Archive(root, "arrow")
    seen = []

    def use(ask) -> int:  # type: ignore[no-untyped-def]
        seen.append(ask("SELECT count(*) AS n FROM science")["n"][0].as_py())
        if len(seen) == 1:
            night = root / f"archive/science/night={NIGHT}"
            (night / "aaaaaaaa-00000.parquet").rename(night / "bbbbbbbb-00000.parquet")
        return len(ask("SELECT * FROM science"))

    assert archive.together(use) == 300
    assert seen == [300, 300]
