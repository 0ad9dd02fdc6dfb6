"""Archive and tonight's batches as one table: each row once, ids exact, nights apart."""

from __future__ import annotations

import gzip
import io
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from broker.errors import UsageError
from broker.query import Archive
from tests.builders import NIGHT, put_archive, put_online
from tests.science_rows import plain_rows

# Above 2**53, where doubles have gaps.
BIG = 2_800_000_000_000_000_001
ONE, TWO, THREE = BIG, BIG + 1, BIG + 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Batch a in the archive and still online, b online, c of the next night."""
    put_archive(tmp_path, {"a": plain_rows([ONE, TWO], object_id=["ZTF1", "ZTF2"])})
    put_online(tmp_path, "a", plain_rows([ONE, TWO], object_id=["ZTF1", "ZTF2"]))
    put_online(tmp_path, "b", plain_rows([THREE], object_id=["ZTF1"], mjd=[60_498.5]))
    later = plain_rows([BIG + 3], object_id=["ZTF1"], mjd=[60_500.0])
    put_online(tmp_path, "c", {NIGHT + 1: later})
    return tmp_path


def ids(found: pd.DataFrame | pa.Table) -> list[int]:
    return [int(id_) for id_ in found["alert_id"].to_list()]


def test_archive_and_online_are_one_table_without_a_row_twice(root: Path) -> None:
    archive = Archive(root)
    assert sorted(ids(archive.sql("SELECT alert_id FROM science"))) == [ONE, TWO, THREE, BIG + 3]
    places = archive.sql(
        "SELECT night, batch, count(*) AS n FROM science GROUP BY ALL ORDER BY 1, 2"
    )
    assert places.to_numpy().tolist() == [
        [NIGHT, "a", 2],
        [NIGHT, "b", 1],
        [NIGHT + 1, "c", 1],
    ]


def test_it_stays_so_when_a_batch_moves(root: Path) -> None:
    archive = Archive(root)
    everything = sorted(ids(archive.sql("SELECT alert_id FROM science")))
    put_archive(root, {"b": plain_rows([THREE], object_id=["ZTF1"])}, "bbbbbbbb")
    assert sorted(ids(archive.sql("SELECT alert_id FROM science"))) == everything
    for batch in "ab":
        shutil.rmtree(root / f"online/science/night={NIGHT}/batch={batch}")
    assert sorted(ids(archive.sql("SELECT alert_id FROM science"))) == everything


def test_an_objects_alerts_of_all_nights_come_by_time(root: Path) -> None:
    archive = Archive(root)
    assert ids(archive.object("ZTF1")) == [ONE, THREE, BIG + 3]
    assert ids(archive.objects(["ZTF2", "ZTF1"])) == [ONE, THREE, BIG + 3, TWO]
    assert len(archive.object("it's nobody")) == len(archive.objects([])) == 0


def test_ids_and_counts_are_whole_numbers_where_some_are_missing(root: Path) -> None:
    put_online(root, "d", plain_rows([BIG + 4], n_detections=pa.array([7], pa.int32())))
    found = Archive(root).night(NIGHT, ["alert_id", "n_detections"])
    assert found["alert_id"].dtype == pd.Int64Dtype()
    assert found["n_detections"].dtype == pd.Int32Dtype()
    assert BIG + 4 in ids(found)


def test_nights_are_told_apart(root: Path) -> None:
    archive = Archive(root)
    assert sorted(ids(archive.night("2024-07-07"))) == [ONE, TWO, THREE]
    assert ids(archive.nights("20240708..20240731")) == [BIG + 3]
    found = archive.night(NIGHT, ["alert_id", "mjd * 2 AS m"], "object_id = 'ZTF2'")
    assert found.to_numpy().tolist() == [[TWO, 2 * 60_499.0]]


def test_other_nights_are_not_even_opened(root: Path) -> None:
    (root / f"online/science/night={NIGHT + 1}/batch=c/part-0.parquet").write_bytes(b"not Parquet")
    assert len(Archive(root).night(NIGHT)) == 3


def test_one_row_per_object_has_its_latest_state(root: Path) -> None:
    archive = Archive(root)
    columns = ["object_id", "alert_id", "n_alerts", "first_night", "last_night"]
    assert archive.latest()[columns].to_numpy().tolist() == [
        ["ZTF1", BIG + 3, 3, NIGHT, NIGHT + 1],
        ["ZTF2", TWO, 1, NIGHT, NIGHT],
    ]
    assert archive.latest(NIGHT)[columns].to_numpy().tolist()[0] == ["ZTF1", THREE, 2, NIGHT, NIGHT]
    assert len(archive.latest(where="n_alerts > 1")) == 1
    few = archive.latest(columns=["object_id", "n_alerts"])
    assert list(few.columns) == ["object_id", "n_alerts"]


def test_a_detection_of_many_alerts_is_in_the_light_curve_once(tmp_path: Path) -> None:
    def point(mjd: float, mag: float | None, kind: str, alert_id: int | None) -> dict[str, object]:
        return {"mjd": mjd, "band": "g", "mag": mag, "kind": kind, "alert_id": alert_id}

    first = [point(1.0, None, "upper_limit", None), point(2.0, 18.0, "detection", ONE)]
    second = [
        point(1.0, None, "upper_limit", None),
        point(2.0, 18.1, "detection", ONE),  # as the history of a later packet has it
        point(3.0, None, "upper_limit", None),
        point(4.0, 17.0, "detection", TWO),
    ]
    third = [point(3.0, 19.0, "detection", None), point(5.0, 16.0, "forced", None)]
    curves = pa.array([first, second, third], plain_rows([1])["lightcurve"].type)
    put_online(
        tmp_path, "a", plain_rows([ONE, TWO, THREE], object_id=["ZTF1"] * 3, lightcurve=curves)
    )
    found = Archive(tmp_path).light_curve("ZTF1")
    assert found[["mjd", "kind"]].to_numpy().tolist() == [
        [1.0, "upper_limit"],
        [2.0, "detection"],
        [3.0, "detection"],
        [4.0, "detection"],
        [5.0, "forced"],
    ]
    assert found["mag"].to_list()[1] == 18.0


def test_columns_that_older_rows_lack_are_null(tmp_path: Path) -> None:
    put_archive(tmp_path, {"a": plain_rows([1])})
    put_online(tmp_path, "b", plain_rows([2], extra=["new"]))
    put_online(tmp_path, "c", plain_rows([3]))
    found = Archive(tmp_path, "arrow").sql("SELECT alert_id, extra FROM science ORDER BY 1")
    assert isinstance(found, pa.Table)
    assert found["extra"].to_pylist() == [None, "new", None]


def test_images_come_from_the_packet_that_the_row_was_made_of(tmp_path: Path) -> None:
    def stamp(value: float) -> bytes:
        stream = io.BytesIO()
        fits.PrimaryHDU(np.full((3, 4), value, np.float32)).writeto(stream)
        return gzip.compress(stream.getvalue())

    science = plain_rows([ONE])
    put_online(tmp_path, "a", science)
    place = science["ingest"].to_pylist()[0]
    repeat = {**place, "offset": place["offset"] + 1}
    raw = {
        "alert_id": [ONE, ONE],
        "healpix29": science["healpix29"].to_pylist() * 2,
        "ingest": pa.array([repeat, place], science["ingest"].type),
        "cutoutScience": [{"stampData": stamp(1)}, {"stampData": stamp(2)}],
        "cutoutDifference": [stamp(3), None],
        "cutoutTemplate": [b"broken", b"broken"],
    }
    folder = tmp_path / f"online/raw/night={NIGHT}/batch=a"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(raw), folder / "part-0.parquet")
    images = Archive(tmp_path).cutouts(ONE)
    assert images["Science"] is not None
    np.testing.assert_array_equal(images["Science"], np.full((3, 4), 2))
    assert images["Difference"] is images["Template"] is None
    with pytest.raises(UsageError, match="no science row has alert_id 5"):
        Archive(tmp_path).cutouts(5)


def test_what_cannot_be_run_is_a_usage_error(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nope"):
        Archive(root).sql("SELECT nope FROM science")
    with pytest.raises(UsageError, match="Could not convert string"):
        Archive(root).sql("SELECT object_id::int FROM science")
    with pytest.raises(UsageError, match=f"of 20240801; .* 2 nights, .* {NIGHT + 1}$"):
        Archive(root).night(20240801)
    with pytest.raises(UsageError, match="no folder on this machine"):
        Archive(root / "nowhere")
    with pytest.raises(UsageError, match="no folder on this machine"):
        Archive("hdfs://cluster/data/ztf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no science rows"):
        Archive(tmp_path / "empty").sql("SELECT 1")


class Dead:
    """A connection of which an engine's own fault has left nothing."""

    def __init__(self, error: type[duckdb.Error]) -> None:
        self._error = error

    def execute(self, _query: str) -> None:
        """Make a view."""

    def sql(self, _query: str, params: object = None) -> None:
        raise self._error("INTERNAL Error: different type\n\nStack Trace:\n0  duckdb::Vector()")


@pytest.mark.parametrize("error", [duckdb.InternalException, duckdb.FatalException])
def test_a_fault_of_the_engine_is_one_line_and_the_next_query_is_answered(
    error: type[duckdb.Error], root: Path
) -> None:
    archive = Archive(root)
    archive._connection = Dead(error)
    with pytest.raises(UsageError) as failed:
        archive.sql("SELECT alert_id FROM science")
    assert "INTERNAL Error: different type" in str(failed.value)
    assert "Stack Trace" not in str(failed.value)
    assert len(archive.sql("SELECT alert_id FROM science")) == 4


def test_a_file_that_is_damaged_is_named_in_one_line(root: Path) -> None:
    (damaged,) = (root / f"online/science/night={NIGHT}/batch=b").iterdir()
    damaged.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(UsageError) as failed:
        Archive(root).sql("SELECT alert_id FROM science")
    assert str(damaged) in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1


@pytest.mark.parametrize(
    "query", ["selec", "SELECT\n nope\nFROM science", "SELECT object_id::int FROM science", "--"]
)
def test_a_query_that_cannot_be_run_is_told_in_one_line(query: str, root: Path) -> None:
    with pytest.raises(UsageError) as failed:
        Archive(root).sql(query)
    assert len(str(failed.value).splitlines()) == 1
