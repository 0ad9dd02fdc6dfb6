"""Fixtures of all tests: where things are, one Kafka and one Spark for those that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from tests.job_environ import job_environ
from tests.quick_java import QUICK_JAVA

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parents[1]
# What is quick to fail comes first.
ORDER = ["unit", "spark", "e2e", "bench", "judges"]
# Of these the longest files first, so that two workers end at about the same time.
LONGEST = [
    *("test_chaos.py", "test_raw2science.py", "test_run.py", "test_distribute.py"),
    *("test_stream2raw_stops.py", "test_secure_kafka.py", "test_stream2raw_killed.py"),
]
# The files of each folder share fixtures that take long, so one worker runs them all.
TOGETHER = ("tests/spark/archive/", "tests/spark/filters/")
os.environ.update(QUICK_JAVA)
# A busy machine is no failure.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="also the sweeps that take an hour (NIGHTJAR_FULL=1)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place_in_order)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Warn of each test that was skipped, whatever the options."""
    for report in terminalreporter.stats.get("skipped", ()):
        terminalreporter.write_line(
            f"warning: skipped {report.nodeid}: {skip_reason(report)}", yellow=True
        )


def skip_reason(report: pytest.TestReport) -> str:
    """Reason that a skipped test gave."""
    told = report.longrepr
    return str(told[2] if isinstance(told, tuple) else told).removeprefix("Skipped: ")


def _place_in_order(item: pytest.Item) -> tuple[int, int]:
    folders = [name for name in ORDER if ROOT / "tests" / name in item.path.parents]
    folder = ORDER.index(folders[0]) if folders else 0
    name = item.path.name
    return folder, LONGEST.index(name) if name in LONGEST else len(LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - only where xdist runs

    class ByFixtures(LoadFileScheduling):
        """One worker for a file, or for all files of a folder of `TOGETHER`."""

        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((folder for folder in TOGETHER if file.startswith(folder)), file)

    return ByFixtures(config, log)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def recorded_data() -> Path | None:
    """Folder of recorded packets, which are not ours to ship; without it None.

    It is beside the checkout, or where ``NIGHTJAR_RECORDED`` says; empty, tests run as if there
    were none.
    """
    named = os.environ.get("NIGHTJAR_RECORDED")
    if named == "":
        return None
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared_data(recorded_data: Path | None) -> Path:
    """Folder of recorded packets, for tests that no synthetic packet can serve."""
    if recorded_data is None:
        pytest.skip("no folder of recorded packets: see NIGHTJAR_RECORDED in tests/conftest.py")
    return recorded_data


@pytest.fixture(scope="session")
def full_sweep(pytestconfig: pytest.Config) -> None:
    """For tests that only ``bin/test --full`` runs."""
    if not (pytestconfig.getoption("--full") or os.environ.get("NIGHTJAR_FULL")):
        pytest.skip("takes long: bin/test --full, or NIGHTJAR_FULL=1")


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session that the jobs get, from conf/spark-defaults.conf; starting one takes long."""
    from broker.spark.session import build_session  # noqa: PLC0415 - most tests need no Spark

    with pytest.MonkeyPatch.context() as patch:
        for name, value in job_environ().items():
            patch.setenv(name, value)
        session = build_session("nightjar tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A running Kafka for the whole session; give every test topics of its own."""
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), free_port())
    broker.start()
    yield broker
    broker.stop()
