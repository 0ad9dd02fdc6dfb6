"""One Spark session for all tests of this folder: starting one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from broker.spark.session import build_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session that the jobs get, from conf/spark-defaults.conf."""
    session = build_session("nightjar tests")
    yield session
    session.stop()
