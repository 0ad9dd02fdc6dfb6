"""Built-in modules as pandas UDFs of Spark's own: the science table's values, column by column."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import fastavro
import pyarrow.parquet as pq
import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.science.engine.apply import apply_modules
from broker.science.engine.declaration import ScienceModule
from broker.science.engine.udf_inputs import udf_inputs
from broker.science.modules import built_in, register_udfs, slope
from broker.settings import ScienceSettings
from broker.simulator.synthetic import generate
from broker.surveys import get_survey
from tests.recorded_packets import Packet, elasticc_packets, raw_table, ztf_packets

SETTINGS = ScienceSettings(modules=("real_bogus", "solar_system", "slope", "classifier"))
AT = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
NAMES = ("real_bogus", "solar_system", "slope", "classifier")


def synthetic_packets() -> list[Packet]:
    return [
        {name: value for name, value in record.items() if not name.startswith("cutout")}
        for packet in generate(150, 11)
        for record in fastavro.reader(io.BytesIO(packet.value))
    ]


def recorded_packets(shared_data: Path) -> list[Packet]:
    return ztf_packets(shared_data)


@pytest.fixture(scope="module")
def synthetic(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    return science_rows(spark, "ztf", synthetic_packets(), tmp_path_factory.mktemp("synthetic"))


@pytest.fixture(scope="module")
def recorded(
    spark: SparkSession, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> DataFrame:
    packets = ztf_packets(shared_data)
    return science_rows(spark, "ztf", packets, tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def elasticc(
    spark: SparkSession,
    shared_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> DataFrame:
    packets = elasticc_packets(shared_data, nights=1)
    return science_rows(spark, "elasticc", packets, tmp_path_factory.mktemp("elasticc"))


def science_rows(
    spark: SparkSession, survey: str, packets: list[Packet], folder: Path
) -> DataFrame:
    """The science table, written and read, with the packet's history beside it."""
    pq.write_table(raw_table(packets, survey), folder / "raw.parquet", row_group_size=200)
    raw = spark.read.parquet(str(folder / "raw.parquet"))
    carried = ("prv_candidates",) if survey == "ztf" else ()
    rows = apply_modules(raw, get_survey(survey), SETTINGS, AT, carried=carried)
    rows.write.parquet(str(folder / "science"))
    return spark.read.parquet(str(folder / "science"))


def assert_same_columns(rows: DataFrame, survey: str, module: ScienceModule) -> None:
    """The table's columns of a module are what Spark makes of the same rows by its function."""
    declaration = module.declaration
    computed = module(*udf_inputs(module, survey, SETTINGS))
    found = rows.select("alert_id", computed.alias("found"))
    columns = {
        name: F.col(f"found.{name}" if declaration.spread else "found")
        for name in declaration.columns
    }
    assert_df_equality(
        found.select("alert_id", *(column.alias(name) for name, column in columns.items())),
        rows.select("alert_id", *declaration.columns),
        ignore_row_order=True,
        allow_nan_equality=True,
        ignore_metadata=True,
    )


@pytest.mark.parametrize("position", range(len(NAMES)), ids=NAMES)
@pytest.mark.parametrize("alerts", ["synthetic", "recorded", "elasticc"])
def test_each_column_is_what_spark_computes_by_the_same_function(
    request: pytest.FixtureRequest, alerts: str, position: int
) -> None:
    rows: DataFrame = request.getfixturevalue(alerts)
    survey = "elasticc" if alerts == "elasticc" else "ztf"
    assert_same_columns(rows, survey, built_in(survey)[position])


def test_arguments_with_a_default_may_be_left_out(synthetic: DataFrame) -> None:
    (module,) = (m for m in built_in("ztf") if m.declaration.name == "real_bogus")
    found = synthetic.select("alert_id", module(*udf_inputs(module, "ztf")[:4]).alias("real_bogus"))
    assert_df_equality(
        found,
        synthetic.select("alert_id", "real_bogus"),
        ignore_row_order=True,
        allow_nan_equality=True,
        ignore_metadata=True,
    )


def test_modules_are_functions_of_sql(spark: SparkSession, synthetic: DataFrame) -> None:
    register_udfs(spark)
    synthetic.createOrReplaceTempView("alerts")
    inputs = ", ".join(slope.declaration.inputs)
    found = spark.sql(f"SELECT alert_id, slope({inputs}).recent AS recent FROM alerts")
    assert_df_equality(
        found,
        synthetic.select("alert_id", "recent"),
        ignore_row_order=True,
        allow_nan_equality=True,
        ignore_metadata=True,
    )
