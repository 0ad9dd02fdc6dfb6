"""The query commands: the same rows as a table, CSV, JSON, Parquet or VOTable."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import astropy.units as u
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from broker.commands.app import main
from tests.builders import NIGHT, put_online
from tests.science_rows import SCORED, plain_rows

BIG = 2_800_000_000_000_000_001
CURVES = [[{"mjd": 1.0, "band": "g", "mag": 18.0, "kind": "detection", "alert_id": BIG}], []]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Two alerts of one object, and the settings that find them."""
    scores = [{"label": "sn_ia", "score": 0.9, "reason": None}, None]
    verdict = pa.struct([("is_real", pa.bool_()), ("score", pa.float64())])
    code = pa.struct([("code", pa.int32())])
    table = plain_rows(
        [BIG, BIG + 1],
        object_id=["ZTF1", "ZTF1"],
        lightcurve=pa.array(CURVES, plain_rows([1])["lightcurve"].type),
        classifier=pa.array(scores, SCORED),
        real_bogus=pa.array([{"is_real": True, "score": 0.8}, None], verdict),
        solar_system=pa.array([{"code": 1}, {"code": 3}], code),
    )
    put_online(tmp_path / "ztf", "a", table)
    return ["--set", f"storage.root={tmp_path}"]


def test_a_table_has_whole_ids(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["object", "ZTF1", *words]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split()[0] == "night"
    assert str(BIG) in first
    assert str(BIG + 1) in second


def test_json_has_ids_as_text(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cone", "10", "20", "5", "--format", "json", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(row["alert_id"] for row in found) == [str(BIG), str(BIG + 1)]
    (point,) = next(row["lightcurve"] for row in found if row["alert_id"] == str(BIG))
    assert point["alert_id"] == str(BIG)


@pytest.mark.parametrize("out", [[], ["--out", "rows.json"]])
def test_json_has_null_for_what_is_not_finite(
    words: list[str],
    out: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    query = (
        "SELECT 'nan'::double AS a, '-inf'::float AS b, [1.5, 'nan'::double] AS c, "
        "{'d': 'inf'::double} AS e, sum(n) AS f FROM (SELECT 2 AS n) "
    )
    assert main(["sql", query, "--format", "json", *out, *words]) == 0
    text = Path("rows.json").read_text() if out else capsys.readouterr().out
    found = json.loads(text, parse_constant=pytest.fail)
    assert found == [{"a": None, "b": None, "c": [1.5, None], "e": {"d": None}, "f": 2}]


def test_csv_has_no_nan_within_a_cell(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "SELECT [1.5, 'nan'::double] AS a", "--format", "csv", *words]) == 0
    _, cell = csv.reader(io.StringIO(capsys.readouterr().out))
    assert json.loads(cell[0], parse_constant=pytest.fail) == [1.5, None]


def test_a_table_has_every_column_under_its_own_name(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    query = (
        'SELECT avg(classifier.score), max(classifier.score) AS "best.score", classifier.label, '
        "count(*) FROM science WHERE classifier IS NOT NULL GROUP BY classifier.label"
    )
    assert main(["sql", query, *words]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["avg(classifier.score)", "best.score", "label", "count_star()"]
    assert row.split() == ["0.9000", "0.9000", "sn_ia", "1"]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_two_columns_of_one_name_are_both_there(
    form: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sql", "SELECT 1 AS n, 2 AS n_1, 3 AS n", "--format", form, *words]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("n_1", "n_2"))
    assert all(value in out for value in "123")


@pytest.mark.parametrize("declination", ["-35.72", "-.5", "-3e1"])
def test_declinations_below_0_need_no_marks(
    declination: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cone", "196.55", declination, "60", "--format", "json", *words]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("place", "named"),
    [
        (("10", "-91"), "declination -91.0"),
        (("10", "nan"), "declination nan"),
        (("-nan", "20"), "right ascension nan"),
    ],
)
def test_a_place_that_is_not_on_the_sky_is_named(
    place: tuple[str, str], named: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cone", *place, "60", *words]) == 2
    assert f"nightjar: {named} is not" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["sql", "-- by time\nSELECT alert_id FROM science"],
        ["sql", "--by time\nSELECT alert_id FROM science"],
        ["objects", "--where", "-dec_deg < -10"],
        ["objects", "--where", "-- near\ndec_deg > 10"],
        ["objects", "--where=-dec_deg < -10"],
    ],
)
def test_sql_may_begin_with_a_dash(
    command: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--format", "json", *words]) == 0
    assert str(BIG + 1) in capsys.readouterr().out


def test_csv_has_a_column_for_every_field(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sql", "SELECT * FROM science ORDER BY mjd", "--format", "csv", *words]) == 0
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert first["alert_id"] == str(BIG)
    assert first["classifier_label"] == "sn_ia"
    assert second["classifier_label"] == ""
    assert json.loads(first["lightcurve"]) == [{**CURVES[0][0], "alert_id": str(BIG)}]


def test_a_file_gets_the_form_of_its_name(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    command = ["objects", "--night", str(NIGHT), "--out", str(out), *words]
    assert main(command) == 0
    assert pq.read_table(out)["n_alerts"].to_pylist() == [2]
    assert main(command) == 2  # it exists
    assert main(["object", "ZTF1", "--out", str(tmp_path / "rows.txt"), *words]) == 2
    assert main(["object", "ZTF1", "--format", "parquet", *words]) == 2


def test_a_votable_has_units_meanings_whole_ids_and_light_curves(
    words: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "rows.vot"
    assert main(["cone", "10", "20", "5", "--out", str(out), *words]) == 0
    table = Table.read(out)
    assert sorted(table["alert_id"].tolist()) == [BIG, BIG + 1]
    table.sort("mjd")
    assert table["n_detections"].tolist() == [None, None]
    assert (table["ra_deg"].unit, table["separation_arcsec"].unit) == (u.deg, u.arcsec)
    assert table["ra_deg"].meta["ucd"] == "pos.eq.ra;meta.main"
    assert "SN Ia" in table["classifier_score"].description
    assert table["classifier_label"].tolist() == ["sn_ia", ""]
    assert table["real_bogus_is_real"].tolist() == [True, None]
    first, second = table["lightcurve_mag"]
    assert (first.tolist(), second.tolist()) == ([18.0], [])
    assert json.loads(table["lightcurve_alert_id"][0]) == [str(BIG)]


def test_images_in_a_table_are_told_by_their_size(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pair = "{'a': 1.5::double, 'b': 'xy'::blob} AS pair"
    query = f"SELECT 'abc'::blob AS image, {pair}, sum(1) AS n FROM science"
    assert main(["sql", query, *words]) == 0
    assert capsys.readouterr().out.split("\n")[1].split("  ") == [
        "3 bytes",
        "{a: 1.5000, b: 2 bytes}",
        "2",
    ]
    assert main(["sql", query, "--format", "csv", *words]) == 0
    assert capsys.readouterr().out == "image,pair_a,pair_b,n\n<3 bytes>,1.5,<2 bytes>,2\n"


def test_no_rows_are_written_as_no_rows(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["objects", "--where", "mjd < 0", *words]
    assert main(where) == 0
    assert capsys.readouterr().out == "no rows\n"
    assert main([*where, "--out", str(tmp_path / "none.vot")]) == 0
    assert len(Table.read(tmp_path / "none.vot")) == 0


def test_a_night_is_counted_by_class_filter_verdict_and_code(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["night", "2024-07-07", "--format", "csv", *words]) == 0
    found = [tuple(row.values()) for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert found == [
        ("all", "alerts", "2"),
        ("all", "objects", "1"),
        ("class", "off", "1"),
        ("class", "sn_ia", "1"),
        ("real or bogus", "real", "1"),
        ("real or bogus", "unknown", "1"),
        ("solar-system code", "1, first time seen", "1"),
        ("solar-system code", "3, known object", "1"),
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM 'nofile.parquet'", "this query cannot be run: "),
        (";", "asks for nothing; give a SELECT"),
        ("SELEC 1", "this query cannot be run: "),
    ],
)
def test_a_query_that_cannot_be_run_is_a_usage_error(
    words: list[str], query: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sql", query, *words]) == 2
    assert message in capsys.readouterr().err


def test_who_is_not_there_is_a_usage_error(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["object", "ZTF9", *words]) == 2
    assert "no alert of ZTF9" in capsys.readouterr().err
