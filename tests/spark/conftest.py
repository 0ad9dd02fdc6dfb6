"""How tests of this folder get packets into tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.spark.ingesting import Ingester


@pytest.fixture
def ingester(spark: SparkSession, tmp_path: Path) -> Callable[..., Ingester]:
    """Make an ingester of a survey; words are those of `--set`."""

    def make(survey: str = "ztf", *words: str) -> Ingester:
        return Ingester(spark, tmp_path / survey, survey, words)

    return make
