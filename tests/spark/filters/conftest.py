"""Science rows of recorded or synthetic packets, as the stages write them; filters over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StructType

from broker.filters import MATCHES, FilterFolders, FilterSet
from broker.filters.check import CheckedFilter, Checker
from broker.filters.definition import FilterFile, read_filter
from broker.science.engine.apply import apply_modules
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from broker.spark.types import to_spark_schema
from broker.surveys import get_survey
from broker.tables.science_schema import science_schema
from tests.crafted import pgir_record, winter_record
from tests.recorded_packets import BATCH_TIME, Packet, elasticc_packets, raw_table, ztf_packets

SETTINGS = ScienceSettings(modules=("real_bogus", "solar_system", "slope"))
BATCH = "0123abcd-000000"


def declared(survey: str) -> StructType:
    return to_spark_schema(science_schema(get_survey(survey), SciencePass(survey, SETTINGS).fields))


@dataclass(frozen=True)
class Tables:
    """One survey's science rows below a root."""

    spark: SparkSession
    root: Path
    survey: str

    @property
    def schema(self) -> StructType:
        return declared(self.survey)

    @property
    def folder(self) -> Path:
        return self.root / self.survey / "online" / "science"

    @property
    def rows(self) -> DataFrame:
        return self.spark.read.schema(self.schema).parquet(str(self.folder))

    @cached_property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """With the view ``science``."""
        connection = duckdb.connect()
        connection.execute(
            "CREATE VIEW science AS SELECT * FROM read_parquet("
            f"'{self.folder}/*/*/*.parquet', hive_partitioning = true)"
        )
        return connection

    def filter_set(self, folder: Path, **options: Any) -> FilterSet:
        folders = FilterFolders((folder,))
        return FilterSet(self.spark, folders, self.survey, self.schema, **options)

    def selected_by_duckdb(self, where: str) -> set[int]:
        found = self.duckdb.execute(f"SELECT alert_id FROM science WHERE (\n{where}\n)")
        return {row[0] for row in found.fetchall()}


def selected(filters: FilterSet, rows: DataFrame) -> dict[str, set[int]]:
    """Ids of the alerts that each filter passes."""
    found: dict[str, set[int]] = {one.name: set() for one in filters.filters}
    for alert_id, positions in filters.evaluate(rows).select("alert_id", MATCHES).collect():
        for position in positions:
            found[filters.filters[position].name].add(alert_id)
    return found


def write_filter(folder: Path, name: str, where: str, survey: str = "ztf", more: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\ndescription = "A test."\nsource = "a test"\nsurvey = "{survey}"\n'
        f"{more}\nwhere = '''\n{where}\n'''\n"
    )
    return path


@pytest.fixture(scope="session")
def ztf(
    spark: SparkSession, recorded_data: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Tables:
    """All recorded ZTF alerts, or synthetic ones, with made-up class probabilities."""
    packets = ztf_packets(recorded_data)
    return write_tables(spark, tmp_path_factory.mktemp("ztf"), "ztf", packets)


@pytest.fixture(scope="session")
def elasticc(
    spark: SparkSession, recorded_data: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Tables:
    """Some nights of ELAsTiCC, or synthetic alerts, with made-up class probabilities."""
    packets = elasticc_packets(recorded_data, nights=30, at_most=60)
    return write_tables(spark, tmp_path_factory.mktemp("elasticc"), "elasticc", packets)


@pytest.fixture(scope="session")
def winter(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Made-up WINTER alerts."""
    packets = [winter_record(number) for number in range(1, 61)]
    packets += [winter_record(number, scorr=5.5) for number in range(61, 81)]
    return write_tables(spark, tmp_path_factory.mktemp("winter"), "winter", packets)


@pytest.fixture(scope="session")
def pgir(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Made-up PGIR alerts."""
    packets = [pgir_record(number) for number in range(1, 61)]
    packets += [pgir_record(number, ssdistnr=1.5) for number in range(61, 81)]
    return write_tables(spark, tmp_path_factory.mktemp("pgir"), "pgir", packets)


@pytest.fixture(scope="session")
def checker(spark: SparkSession) -> Checker:
    return Checker(spark, "ztf", declared("ztf"))


@pytest.fixture
def check(checker: Checker, tmp_path: Path) -> Callable[[str], CheckedFilter]:
    """Check a where, written to a file ``f.toml``, whose line 7 is its first."""
    return lambda where: checker.check(filter_file(tmp_path, where))


def filter_file(folder: Path, where: str) -> FilterFile:
    return read_filter(write_filter(folder, "f", where))


def write_tables(spark: SparkSession, root: Path, survey: str, packets: list[Packet]) -> Tables:
    pq.write_table(raw_table(packets, survey), root / "raw.parquet")
    raw = spark.read.parquet(str(root / "raw.parquet")).dropDuplicates(["alert_id"])
    rows = apply_modules(raw, get_survey(survey), SETTINGS, BATCH_TIME)
    kind = declared(survey)["classifier"].dataType
    assert isinstance(kind, StructType)
    tables = Tables(spark, root, survey)
    if get_survey(survey).classifier is not None:
        rows = rows.withColumn("classifier", opinion(kind))
    (
        rows.withColumn("batch", F.lit(BATCH))
        .coalesce(1)
        .write.partitionBy("night", "batch")
        .parquet(str(tables.folder))
    )
    return tables


def opinion(kind: StructType) -> Column:
    """Probabilities of all kinds, null for some: what filters read, whatever model is trained."""
    score = F.abs(F.xxhash64("object_id") % 1001) / 1000
    classes = kind["probabilities"].dataType
    assert isinstance(classes, StructType)
    shares = [score, *([(1 - score) / (len(classes) - 1)] * (len(classes) - 1))]
    values = {
        "score": score,
        "probabilities": F.struct(
            *(share.alias(name) for share, name in zip(shares, classes.names, strict=True))
        ),
        "n_points": F.size("lightcurve"),
    }
    fields = [values.get(field.name, F.lit(None)).cast(field.dataType) for field in kind]
    named = [field.alias(name) for field, name in zip(fields, kind.names, strict=True)]
    return F.when(F.col("alert_id") % 7 > 0, F.struct(*named))
