"""The session has what conf/spark-defaults.conf and the decoder promise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from broker.errors import SettingsError
from broker.spark.session import AVRO_LIMITS, check_decoder_can_run


def test_the_connectors_and_avro_limits_are_there(spark: SparkSession) -> None:
    check_decoder_can_run(spark)


def test_a_missing_avro_limit_is_refused_with_the_options_to_give(spark: SparkSession) -> None:
    key = next(iter(AVRO_LIMITS))
    system = spark.sparkContext._jvm.System
    before = system.clearProperty(key)
    try:
        with pytest.raises(SettingsError, match=r"spark\.driver\.extraJavaOptions=.*maxLength"):
            check_decoder_can_run(spark)
    finally:
        system.setProperty(key, before)


def test_nights_are_utc(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"


def test_workers_run_the_python_of_the_driver(spark: SparkSession) -> None:
    def interpreter(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for _ in frames:
            yield pd.DataFrame({"python": [sys.executable]})

    rows = spark.range(1).mapInPandas(interpreter, "python string").collect()
    assert rows[0].python == sys.executable


def test_a_table_holds_nothing_but_zstd_parquet(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(3).coalesce(1).write.parquet(str(tmp_path / "table"))
    names = [path.name for path in (tmp_path / "table").iterdir()]
    visible = [name for name in names if not name.startswith(".")]
    assert len(visible) == 1
    assert visible[0].endswith(".zstd.parquet")
