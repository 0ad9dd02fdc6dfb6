"""Back-tests count what DuckDB counts, on each alert once, clause by clause of Spark's own tree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame

from broker.errors import UsageError
from broker.filters.backtest import back_test, changed_objects, explain_alert, try_examples
from broker.filters.check import CheckedFilter, Checker
from broker.filters.clauses import Clause, split_clauses
from broker.nights import NightRange
from broker.tables.files import batch_column_metadata
from broker.tables.read_spark import retry_action, rows_of_table
from broker.tables.storage import Storage
from tests.spark.filters.conftest import BATCH, Tables, selected, write_filter

Split = Callable[[str], list[Clause]]
WHERE = """
real_bogus.is_real
  AND (mag < 19 OR candidate.classtar > 0.4)
  AND NOT coalesce(candidate.distpsnr1 BETWEEN 0 AND 1.5 AND candidate.sgscore1 > 0.76, false)
  AND recent.mag_per_day < 0
"""
CLAUSES = [
    "real_bogus.is_real",
    "mag < 19 OR candidate.classtar > 0.4",
    "NOT coalesce(candidate.distpsnr1 BETWEEN 0 AND 1.5 AND candidate.sgscore1 > 0.76, false)",
    "recent.mag_per_day < 0",
]


@pytest.fixture
def split(checker: Checker, check: Callable[[str], CheckedFilter]) -> Split:
    return lambda where: split_clauses(check(where), checker.session)


@pytest.fixture
def rows(ztf: Tables, checker: Checker) -> DataFrame:
    storage = Storage(str(ztf.root / "ztf"))
    return rows_of_table(checker.session, storage, "science", NightRange(), ztf.schema)


@pytest.mark.parametrize(
    ("where", "texts"),
    [
        (WHERE, CLAUSES),
        (
            "mag BETWEEN 18 AND 19 AND band = 'g AND r'",
            ["mag BETWEEN 18 AND 19", "band = 'g AND r'"],
        ),
        ("(mag < 18 AND (is_positive AND band = 'g'))", ["mag < 18", "is_positive", "band = 'g'"]),
        ("mag < 18 AND is_positive OR band = 'g'", ["mag < 18 AND is_positive OR band = 'g'"]),
        ("(mag + 1) NOT BETWEEN 18 AND 19", ["(mag + 1) NOT BETWEEN 18 AND 19"]),
        (
            "(abs(mag) + (1 - 2)) * 2 > 3 AND CASE WHEN is_positive THEN mag < 18 AND mag > 2 END",
            ["(abs(mag) + (1 - 2)) * 2 > 3", "CASE WHEN is_positive THEN mag < 18 AND mag > 2 END"],
        ),
        (
            "band IN ('g', ')') -- AND\n AND (mag) IS NOT NULL",
            ["band IN ('g', ')')", "(mag) IS NOT NULL"],
        ),
        ("is_positive", ["is_positive"]),
    ],
)
def test_clauses_are_split_where_the_tree_is(split: Split, where: str, texts: list[str]) -> None:
    assert [clause.text for clause in split(where)] == texts


def test_a_clause_names_the_columns_it_reads_once_each(split: Split) -> None:
    (clause,) = split(
        "mag < 19 OR candidate.classtar > 0.4 OR exists(lightcurve, p -> p.mag > mag)"
    )
    assert clause.paths == ("mag", "candidate.classtar", "lightcurve")


def test_a_back_test_counts_what_duckdb_counts(ztf: Tables, split: Split, rows: DataFrame) -> None:
    result = back_test(rows, split(WHERE))
    nights = ztf.duckdb.execute(
        "SELECT night, count(*), count(DISTINCT object_id), count_if(p), "
        "count(DISTINCT CASE WHEN p THEN object_id END) "
        f"FROM (SELECT *, coalesce(({WHERE}), false) AS p FROM science) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [
        (n.night, n.alerts, n.objects, n.passed_alerts, n.passed_objects) for n in result.nights
    ] == nights
    assert result.passed == len(ztf.selected_by_duckdb(WHERE)) > 0
    assert result.share == result.passed / result.alerts
    (objects,) = ztf.duckdb.execute(
        f"SELECT count(DISTINCT object_id) FROM science WHERE {WHERE}"
    ).fetchone()
    assert result.objects == objects


def test_each_clause_is_counted_alone_in_order_and_where_it_is_null(
    ztf: Tables, split: Split, rows: DataFrame
) -> None:
    result = back_test(rows, split(WHERE))
    expected = []
    for k, text in enumerate(CLAUSES):
        before = " AND ".join(f"({t})" for t in ["true", *CLAUSES[:k]])
        expected.append(
            ztf.duckdb.execute(
                f"SELECT count_if(({text}) IS NOT true), "
                f"count_if(({before}) AND ({text}) IS NOT true), count_if(({text}) IS NULL) "
                "FROM science"
            ).fetchone()
        )
    found = [(c.alone, c.in_order, c.null) for c in result.clauses]
    assert found == expected
    assert result.alerts - sum(in_order for _, in_order, _ in found) == result.passed
    assert any(null for _, _, null in found)


def test_a_back_test_finds_what_the_stream_finds(
    ztf: Tables, split: Split, rows: DataFrame, tmp_path: Path
) -> None:
    write_filter(tmp_path, "f", WHERE)
    streamed = selected(ztf.filter_set(tmp_path), ztf.rows)["f"]
    assert back_test(rows, split(WHERE)).passed == len(streamed)


def test_examples_pass_and_are_the_same_every_time(
    ztf: Tables, split: Split, rows: DataFrame
) -> None:
    first, second = (back_test(rows, split(WHERE)).examples for _ in range(2))
    assert first == second
    assert len(first) == 5
    assert {one.first_alert_id for one in first} <= ztf.selected_by_duckdb(WHERE)


def test_changed_objects_are_those_that_one_filter_alone_finds(
    ztf: Tables, split: Split, rows: DataFrame
) -> None:
    old = "is_positive AND mag < 19 AND n_detections > 2"
    new = "is_positive AND mag < 19.5 AND age_days < 300"
    found = changed_objects(rows, split(old), split(new))
    objects = "SELECT object_id FROM science WHERE "
    for gained, one, other in ((True, new, old), (False, old, new)):
        query = f"{objects}{one} EXCEPT {objects}{other}"
        expected = {row[0] for row in ztf.duckdb.execute(query).fetchall()}
        assert {o.object_id for o in found if o.gained == gained} == expected != set()


def test_the_deciding_clause_is_the_first_that_the_objects_first_alert_fails(
    ztf: Tables, split: Split, rows: DataFrame
) -> None:
    old = ["is_positive", "mag < 19", "n_detections > 2"]
    found = changed_objects(rows, split(" AND ".join(old)), split("mag < 30"))
    assert {one.clause for one in found} == set(old)
    values = ztf.duckdb.execute(
        f"SELECT object_id, alert_id, night, {', '.join(old)} FROM science "
        "QUALIFY row_number() OVER (PARTITION BY object_id ORDER BY mjd, alert_id) = 1"
    ).fetchall()
    first = {row[0]: row[1:] for row in values}
    for one in found:
        alert_id, night, *holds = first[one.object_id]
        assert (one.alert_id, one.night) == (alert_id, night)
        assert one.clause == next(t for t, v in zip(old, holds, strict=True) if v is not True)


def test_why_gives_each_clauses_value_and_its_columns(
    ztf: Tables, split: Split, rows: DataFrame
) -> None:
    query = "SELECT alert_id, mag, candidate.classtar FROM science WHERE recent IS NULL LIMIT 1"
    alert_id, mag, classtar = ztf.duckdb.execute(query).fetchone()
    values = explain_alert(rows, split(WHERE), alert_id)
    assert values is not None
    assert [value.text for value in values] == CLAUSES
    assert values[1].value == (mag < 19 or classtar > 0.4)
    assert values[1].columns == {"mag": mag, "candidate.classtar": classtar}
    assert values[3].value is None
    assert values[3].columns == {"recent.mag_per_day": None}


def test_why_of_an_unknown_alert_is_nothing(split: Split, rows: DataFrame) -> None:
    assert explain_alert(rows, split(WHERE), 1) is None


def test_examples_of_a_filter_are_tried_and_their_clause_named(
    ztf: Tables, split: Split, rows: DataFrame
) -> None:
    passing = min(ztf.selected_by_duckdb("mag < 19"))
    failing = min(ztf.selected_by_duckdb("mag > 19"))
    tried = try_examples(rows, split("alert_id > 0 AND mag < 19"), [passing, failing, 1])
    assert tried == {passing: None, failing: "mag < 19"}


def test_batches_that_the_archive_has_taken_are_read_there_alone(
    ztf: Tables, checker: Checker, tmp_path: Path
) -> None:
    table = ds.dataset(ztf.folder, partitioning="hive").to_table().drop_columns(["night", "batch"])
    two, one = table.slice(0, 2), table.slice(2, 1)
    write(tmp_path / "online/science/night=20200101" / f"batch={BATCH}", two)
    write(tmp_path / "online/science/night=20200101/batch=0123abcd-000001", one)
    archived = two.append_column("batch", pa.array([BATCH, BATCH]))
    fields = {"fields": [{"name": "batch", "metadata": batch_column_metadata([BATCH])}]}
    named = {"org.apache.spark.sql.parquet.row.metadata": json.dumps(fields)}
    write(tmp_path / "archive/science/night=20200101", archived.replace_schema_metadata(named))
    write(tmp_path / "online/science/night=20200103/batch=0123abcd-000002", one)
    nights = NightRange(20200101, 20200102)
    read = rows_of_table(checker.session, Storage(str(tmp_path)), "science", nights, ztf.schema)
    ids = [row["alert_id"] for row in read.select("alert_id").collect()]
    assert sorted(ids) == sorted(table["alert_id"].slice(0, 3).to_pylist())
    assert read.columns == ztf.schema.names


def test_a_night_that_is_replaced_before_it_is_read_is_listed_again(
    ztf: Tables, checker: Checker, tmp_path: Path
) -> None:
    night = tmp_path / "online/science/night=20200101"
    table = ds.dataset(ztf.folder, partitioning="hive").to_table().drop_columns(["night", "batch"])
    write(night / "batch=0123abcd-000001", table.slice(0, 2))
    tries = 0

    def count_when_replaced() -> int:
        nonlocal tries
        tries += 1
        read = rows_of_table(
            checker.session, Storage(str(tmp_path)), "science", NightRange(), ztf.schema
        )
        if tries == 1:
            (night / "batch=0123abcd-000001/part.parquet").unlink()
            write(night / "batch=0123abcd-000002", table.slice(0, 3))
        return len(read.select("alert_id").collect())

    assert retry_action(count_when_replaced) == 3
    assert tries == 2


def test_nights_without_rows_are_a_usage_error(
    ztf: Tables, checker: Checker, tmp_path: Path
) -> None:
    nights = NightRange(19990101, 19990102)
    with pytest.raises(UsageError, match=r"no science rows of nights 19990101\.\.19990102"):
        rows_of_table(checker.session, Storage(str(tmp_path)), "science", nights, ztf.schema)


def write(folder: Path, rows: pa.Table) -> None:
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "part.parquet")
