"""Bad data and bad filters are null, no match, in any session, and others don't notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.filters import MATCHES, FilterFolders, FilterSet
from tests.spark.filters.conftest import declared, selected, write_filter

SANE = "band = 'g'"
# Each raises with ANSI on, is null with it off.
NULL = {
    "one_by_zero": "1 / 0 > 0",
    "column_by_zero": "mag / n_detections > 0",
    "remainder": "alert_id % n_detections = 0",
    "whole_division": "alert_id div n_detections > 0",
    "bad_cast": "cast(band as int) = 1",
    "bad_comparison": "band = 5",
    "bad_date": "cast(object_id as date) > date'2020-01-01'",
    "bad_boolean": "cast(band as boolean)",
    "bad_index": "lightcurve[5].mag > 0",
    "bad_element": "element_at(lightcurve, 7).mag > 0",
    "bad_choice": "elt(9, band) = 'g'",
    "bad_day": "make_date(2020, 13, 1) > date'2019-01-01'",
    "negated": "NOT (mag / n_detections > 0)",
}
# These raise even with ANSI off, on rows or on constants.
RAISING = {
    "index_zero": "array_insert(lightcurve.mag, n_detections, 1d)[0] = 1",
    "part_zero": "split_part(band, ',', n_detections) = 'g'",
    "bad_number": "to_number(band, '99') > 1",
    "bad_charset": "decode(encode(band, 'utf-8'), object_id) = 'g'",
    "bad_url": "url_decode(concat(band, '%')) = 'g'",
    "bad_json": "parse_json(band) is not null",
    "bad_key": "aes_decrypt(encode(band, 'utf-8'), band) is not null",
    "bad_fold": "exists(lightcurve, point -> to_number(band, '99') > 1)",
}


@pytest.fixture(scope="module")
def rows(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """Three alerts in a file, so that nothing is folded away; n_detections is 0 throughout."""
    values = {
        "alert_id": F.col("id"),
        "object_id": F.lit("none"),
        "band": F.element_at(F.array(F.lit("g"), F.lit("r"), F.lit("1x")), (F.col("id") + 1)),
        "mag": F.lit(18.0),
        "n_detections": F.lit(0),
        "lightcurve": F.array(F.lit(None)),
    }
    columns = [
        values.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name)
        for field in declared("ztf")
    ]
    folder = str(tmp_path_factory.mktemp("rows") / "three")
    with_int = spark.range(3).withColumn("id", F.col("id").cast("int"))
    with_int.select(*columns).coalesce(1).write.parquet(folder)
    return spark.read.parquet(folder)


@pytest.fixture(params=["true", "false"])
def ansi(request: pytest.FixtureRequest, spark: SparkSession) -> Iterator[None]:
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", request.param)
    yield
    spark.conf.set("spark.sql.ansi.enabled", before)


def filters(spark: SparkSession, folder: Path, wheres: dict[str, str]) -> FilterSet:
    for name, where in wheres.items():
        write_filter(folder, name, where)
    return FilterSet(spark, FilterFolders((folder,)), "ztf", declared("ztf"))


@pytest.mark.usefixtures("ansi")
@pytest.mark.parametrize("wheres", [NULL, RAISING, NULL | RAISING], ids=["null", "raise", "all"])
def test_what_cannot_be_computed_matches_nothing_and_the_others_select_as_before(
    spark: SparkSession, rows: DataFrame, tmp_path: Path, wheres: dict[str, str]
) -> None:
    found = selected(filters(spark, tmp_path, wheres | {"sane": SANE}), rows)
    assert found == {name: set() for name in wheres} | {"sane": {0}}


def test_the_other_side_of_an_or_still_counts(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    found = selected(filters(spark, tmp_path, {"either": f"1 / 0 > 0 OR {SANE}"}), rows)
    assert found == {"either": {0}}


def test_two_filters_that_share_a_raising_part_do_not_harm_a_third(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    wheres = {f"bad_{k}": f"to_number(band, '99') > {k}" for k in range(3)}
    assert selected(filters(spark, tmp_path, wheres | {"sane": SANE}), rows)["sane"] == {0}


def test_few_columns_and_many_are_compiled_alike(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    loaded = filters(spark, tmp_path, NULL | RAISING | {"sane": SANE})
    whole = loaded.evaluate(rows).collect()
    few = loaded.evaluate(
        rows.select(
            "alert_id", "band", "mag", "n_detections", "object_id", "lightcurve", "science_at"
        )
    ).collect()
    sane = [one.name for one in loaded.filters].index("sane")
    assert [row[MATCHES] for row in whole] == [row[MATCHES] for row in few]
    assert [row[MATCHES] for row in whole] == [[sane], [], []]


@pytest.mark.usefixtures("ansi")
def test_rows_that_are_computed_before_keep_their_own_session_s_rules(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    moved = filters(spark, tmp_path, {"sane": SANE}).evaluate(rows.withColumn("a", F.lit(1) + 1))
    assert moved.sparkSession.conf.get("spark.sql.ansi.enabled") == "false"
    assert moved.where("a = 2").count() == 3


def test_no_filter_at_all_matches_nothing(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    found = filters(spark, tmp_path, {}).evaluate(rows).select(MATCHES).collect()
    assert [row[MATCHES] for row in found] == [[], [], []]


def test_a_regular_expression_like_like_pattern_still_works(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    found = selected(filters(spark, tmp_path, {"like": "band LIKE '_x'"}), rows)
    assert found == {"like": {2}}
