"""One Spark session for all tests of this folder: starting one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from broker.spark.session import build_session
from tests.spark.ingesting import Ingester


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session that the jobs get, from conf/spark-defaults.conf."""
    session = build_session("nightjar tests")
    yield session
    session.stop()


@pytest.fixture
def ingester(spark: SparkSession, tmp_path: Path) -> Callable[..., Ingester]:
    """Make an ingester of a survey; words are those of `--set`."""

    def make(survey: str = "ztf", *words: str) -> Ingester:
        return Ingester(spark, tmp_path / survey, survey, words)

    return make
