"""Topics of filters as fink-client, from PyPI and in an environment of its own, reads them."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from pyspark.sql import SparkSession

from broker.kafka.embedded.server import EmbeddedKafka
from tests.e2e.distribution.distributing import FEW, DistributeSite, make_site
from tests.judges.environment import judge_python, run_judge

# Written for fink-client's own Python; writes what the test compares.
READ_100 = """
import pathlib, pickle, sys
from fink_client.consumer import AlertConsumer

servers, topic, group, file = sys.argv[1:]
consumer = AlertConsumer([topic], {"group.id": group, "bootstrap.servers": servers}, "ztf")
alerts = []
while len(alerts) < 100:
    alerts += [alert for _, alert, _ in consumer.consume(100 - len(alerts), 5) if alert]
consumer.close()
pathlib.Path(file).write_bytes(pickle.dumps(alerts))
"""


@pytest.fixture(scope="session")
def fink_python() -> Path:
    return judge_python(Path(__file__).parent / "requirements.txt")


@pytest.fixture(scope="module")
def site(
    fink_python: Path,
    kafka: EmbeddedKafka,
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DistributeSite]:
    """600 alerts in 6 batches, all distributed."""
    site = make_site(tmp_path_factory.mktemp("site"), kafka, filters=FEW)
    site.fill(600, 6)
    job = site.run_in_process(spark, "distribute")
    assert job.code == 0, job.text
    yield site
    site.stop_all()


@pytest.fixture(scope="module")
def science(site: DistributeSite) -> dict[int, dict[str, Any]]:
    return site.science()


def test_fink_client_reads_alerts_equal_to_the_science_rows(
    site: DistributeSite, science: dict[int, dict[str, Any]], fink_python: Path, tmp_path: Path
) -> None:
    file = tmp_path / "alerts.pickle"
    topic = site.topic_of("real_not_solar_system")
    words = [site.kafka.servers, topic, uuid.uuid4().hex, file]
    run_judge(fink_python, ["-c", READ_100, *words], timeout=120)
    alerts = pickle.loads(file.read_bytes())
    assert len({alert["candid"] for alert in alerts}) == 100
    for alert in alerts:
        row = science[alert["candid"]]
        assert alert["objectId"] == row["object_id"]
        assert {name: alert[name] for name in row} == row


def test_the_fink_command_line_shows_and_saves_alerts(
    site: DistributeSite,
    science: dict[int, dict[str, Any]],
    fink_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    saved = tmp_path / "saved"
    saved.mkdir()

    def finkctl(*words: str) -> str:
        return run_judge(fink_python, [fink_python.parent / "finkctl", *words], timeout=120)

    account = ("-username", "anyone", "-groupid", uuid.uuid4().hex, "-servers", site.kafka.servers)
    finkctl("auth", "register", "-survey", "ztf", *account, "-maxtimeout", "5")
    finkctl("topic", "subscribe", "-survey", "ztf", "-name", site.topic_of("for_fink"))
    words = ("-limit", "3", "-start_at", "earliest", "--display", "--save", "-outdir", str(saved))
    shown = finkctl("stream", "-survey", "ztf", *words)
    records = []
    for path in sorted(saved.glob("*.avro")):
        with path.open("rb") as file:
            records += list(fastavro.reader(file))
    assert len(records) == 3
    for record in records:
        row = science[record["candid"]]
        assert {name: record[name] for name in row} == row
        assert record["objectId"] in shown
        assert str(record["candidate"]["magpsf"])[:7] in shown
    assert "Unknown" in shown
