"""apply_modules in Spark: the same rows whatever the batches, from the columns it needs alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.science.engine.apply import ScienceColumns, apply_modules
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from broker.surveys import get_survey
from tests.recorded_packets import (
    BATCH_TIME,
    Computed,
    Packet,
    elasticc_packets,
    raw_table,
    ztf_packets,
)
from tests.unit.science.plug_ins import PICKY_KEYS, switch_on

MODULES = ("real_bogus", "solar_system", "slope")
SETTINGS = ScienceSettings(modules=MODULES)
SCIENCE_AT = dt.datetime(2026, 11, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
ARROW_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"


@pytest.fixture(scope="module")
def packets(recorded_data: Path | None) -> list[Packet]:
    return ztf_packets(recorded_data)


@pytest.fixture(scope="module")
def raw(
    spark: SparkSession, packets: list[Packet], tmp_path_factory: pytest.TempPathFactory
) -> DataFrame:
    return as_frame(spark, raw_table(packets, "ztf"), tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def rows(raw: DataFrame) -> list[dict[str, Any]]:
    return collect(apply_modules(raw, get_survey("ztf"), SETTINGS, SCIENCE_AT))


@pytest.fixture
def arrow_rows(spark: SparkSession) -> Iterator[None]:
    before = spark.conf.get(ARROW_ROWS)
    yield
    spark.conf.set(ARROW_ROWS, before)


def as_frame(spark: SparkSession, table: pa.Table, folder: Path) -> DataFrame:
    pq.write_table(table, folder / "raw.parquet", row_group_size=200)
    return spark.read.parquet(str(folder))


def collect(frame: DataFrame) -> list[dict[str, Any]]:
    found = [row.asDict(recursive=True) for row in frame.collect()]
    return sorted(found, key=lambda row: row["ingest"]["offset"])


def test_rows_are_those_of_the_pass_without_spark(
    rows: list[dict[str, Any]], packets: list[Packet]
) -> None:
    expected = Computed(packets, SciencePass("ztf", SETTINGS)).rows
    for row, wanted in zip(rows, expected, strict=True):
        errors = wanted.pop("errors")
        assert row["provenance"]["errors"] == errors
        assert {name: row[name] for name in wanted} == wanted


def test_ids_places_and_times_come_from_the_raw_row(
    rows: list[dict[str, Any]], raw: DataFrame, packets: list[Packet]
) -> None:
    cells = {row.alert_id: row.healpix29 for row in raw.select("alert_id", "healpix29").collect()}
    for offset, (row, packet) in enumerate(zip(rows, packets, strict=True)):
        found = {name: row[name] for name in ("alert_id", "object_id", "ra_deg", "dec_deg")}
        assert found == {
            "alert_id": packet["candid"],
            "object_id": packet["objectId"],
            "ra_deg": packet["candidate"]["ra"],
            "dec_deg": packet["candidate"]["dec"],
        }
        assert (row["survey"], row["healpix29"]) == ("ztf", cells[packet["candid"]])
        assert row["ingest"].keys() == {"topic", "partition", "offset", "kafka_timestamp"}
        assert row["ingest"]["offset"] == offset
        assert in_utc(row["raw_at"]) == BATCH_TIME
        assert in_utc(row["science_at"]) == SCIENCE_AT


def in_utc(local: dt.datetime) -> dt.datetime:
    """Rows carry naive times of this machine's time zone."""
    return local.astimezone(dt.UTC)


def test_the_survey_s_record_is_kept_to_the_letter(
    rows: list[dict[str, Any]], packets: list[Packet]
) -> None:
    for row, packet in zip(rows, packets, strict=True):
        record = row["candidate"]
        assert {name: record[name] for name in packet["candidate"]} == packet["candidate"]
    assert sum(row["candidate"]["ssdistnr"] == -999.0 for row in rows) > 100


def test_provenance_names_versions_and_what_is_off(rows: list[dict[str, Any]]) -> None:
    versions = {m["name"]: m["version"] for m in rows[0]["provenance"]["modules"]}
    assert list(versions) == [*MODULES, "classifier"]
    assert versions["classifier"] == "off"
    assert versions["slope"] != "off"
    assert rows[0]["provenance"]["broker_version"]


@pytest.mark.usefixtures("arrow_rows")
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_order_and_batch_size_change_nothing(
    spark: SparkSession, raw: DataFrame, rows: list[dict[str, Any]], size: int
) -> None:
    spark.conf.set(ARROW_ROWS, size)
    shuffled = raw.repartition(3, F.hash("alert_id", F.lit(size))).sortWithinPartitions(
        F.hash("alert_id")
    )
    assert collect(apply_modules(shuffled, get_survey("ztf"), SETTINGS, SCIENCE_AT)) == rows


def test_one_arrow_pass_reads_only_what_it_needs(raw: DataFrame) -> None:
    frame = apply_modules(raw, get_survey("ztf"), SETTINGS, SCIENCE_AT)
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert plan.count("ArrowEvalPython") == 1
    scan = (
        frame._jdf.queryExecution().optimizedPlan().collectLeaves().head().schema().simpleString()
    )
    history = scan.partition("prv_candidates:")[2].partition(">>")[0]
    assert "magpsf" in history
    assert "chipsf" not in history


def test_every_batch_runs_the_code_that_was_compiled_for_the_first(raw: DataFrame) -> None:
    def run(hour: int) -> int:
        at = SCIENCE_AT + dt.timedelta(hours=hour)
        rows = apply_modules(raw, get_survey("ztf"), SETTINGS, at, Observation())
        rows.write.format("noop").mode("overwrite").save()
        return compilations(raw.sparkSession)

    assert run(1) == run(2)


def compilations(spark: SparkSession) -> int:
    """How often Spark has compiled generated code."""
    metrics = spark._jvm.org.apache.spark.metrics.source.CodegenMetrics
    return int(metrics.METRIC_COMPILATION_TIME().getCount())


def test_units_are_written_with_the_rows(raw: DataFrame, tmp_path: Path) -> None:
    frame = apply_modules(raw, get_survey("ztf"), SETTINGS, SCIENCE_AT)
    frame.limit(3).write.parquet(str(tmp_path / "science"))
    schema = raw.sparkSession.read.parquet(str(tmp_path / "science")).schema
    assert schema["flux_njy"].metadata["unit"] == "nJy"
    assert schema["lightcurve"].dataType.elementType["mag_err"].metadata["unit"] == "mag"
    assert schema["slopes"].dataType["g"].dataType["span_days"].metadata["unit"] == "d"
    assert schema["candidate"].dataType["distpsnr1"].metadata["unit"] == "arcsec"


def test_seconds_and_failures_of_each_module_are_measured(
    raw: DataFrame, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    switch_on(tmp_path, "picky", **PICKY_KEYS)
    settings = ScienceSettings(modules=("slope",), folder=tmp_path)
    measured = Observation()
    columns = ScienceColumns.of(get_survey("ztf"), settings)
    found = collect(columns.rows(raw, SCIENCE_AT, measured))
    southern = sum(row["gal_lat_deg"] < 0 for row in rows)
    counts = {count.name: count for count in columns.by_module(measured.get)}
    assert list(counts) == ["lightcurve", "slope", "picky"]
    assert {name: count.failures for name, count in counts.items()} == {
        "lightcurve": 0,
        "slope": 0,
        "picky": southern,
    }
    assert all(count.seconds > 0 for count in counts.values())
    failed = [row for row in found if row["provenance"]["errors"]]
    assert len(failed) == southern
    assert all(row["picky"] is None for row in failed)


# Beside its file, so that no worker can import it; its type as text needs a running session.
STRANGER = """
import pandas as pd
from pyspark.sql.functions import pandas_udf

FACTOR = 3

def times(mag):
    return FACTOR * mag

@pandas_udf("double")
def triple(mag: pd.Series) -> pd.Series:
    return times(mag)
"""


def test_a_stranger_s_udf_with_its_type_as_text_is_sent_to_the_workers_by_value(
    raw: DataFrame, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "stranger.py").write_text(STRANGER)
    switch_on(tmp_path, "tripled", function="stranger:triple", inputs=["mag"], returns="double")
    settings = ScienceSettings(modules=("slope",), folder=tmp_path)
    found = collect(apply_modules(raw, get_survey("ztf"), settings, SCIENCE_AT))
    assert [row["tripled"] for row in found] == [3 * row["mag"] for row in rows]
    versions = {m["name"]: m["version"] for m in found[0]["provenance"]["modules"]}
    assert versions["tripled"] == "0.1"


def test_elasticc_rows_are_those_of_the_pass_without_spark(
    spark: SparkSession, recorded_data: Path | None, tmp_path: Path
) -> None:
    packets = elasticc_packets(recorded_data, nights=1)
    raw = as_frame(spark, raw_table(packets, "elasticc"), tmp_path)
    found = collect(apply_modules(raw, get_survey("elasticc"), SETTINGS, SCIENCE_AT))
    expected = Computed(packets, SciencePass("elasticc", SETTINGS)).rows
    for row, wanted, packet in zip(found, expected, packets, strict=True):
        wanted.pop("errors")
        assert {name: row[name] for name in wanted} == wanted
        assert row["diaSource"] == packet["diaSource"]
