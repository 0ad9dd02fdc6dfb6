"""Nights to close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from broker.archive.audit import audit
from broker.archive.close import NightCloser
from broker.settings import Settings, load_settings
from broker.sinks.closed import ClosedNight
from broker.storage import Storage
from tests.closing import fill
from tests.science_rows import NIGHTS

NOW = dt.datetime(2024, 9, 12, tzinfo=dt.UTC)


@dataclass
class Site:
    """Tables of one survey, and what is done with them."""

    spark: SparkSession
    root: Path

    @property
    def settings(self) -> Settings:
        return load_settings("ztf", overrides=[f"storage.root={self.root}"], environ={})

    @property
    def storage(self) -> Storage:
        return Storage(self.settings.survey_root)

    def fill(self, numbers: range, n_batches: int, first: int = 0) -> list[str]:
        return fill(self.root, numbers, n_batches, first)

    def close(self, now: dt.datetime = NOW, night: int = NIGHTS[0]) -> ClosedNight | None:
        return NightCloser(self.spark, self.settings).close(night, now)

    def differences(self) -> list[str]:
        findings = audit(self.storage, deep=True)
        return [text for finding in findings for text in finding.differences]


@pytest.fixture
def site(spark: SparkSession, tmp_path: Path) -> Site:
    return Site(spark, tmp_path)


@pytest.fixture(scope="session")
def make_site(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Site]:
    return lambda: Site(spark, tmp_path_factory.mktemp("site"))
