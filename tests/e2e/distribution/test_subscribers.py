"""Subscribers with other tools than ours: ten lines of Python, and fink-client as it is on PyPI."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.dataset as ds
import pytest

from tests.e2e.distribution.distributing import DistributeSite

SERVERS, TOPIC = "localhost:9092", "nightjar_ztf_real_not_solar_system"
FINK_CLIENT = "fink-client==12.3.0"
# Written for fink-client's own Python; prints what the test compares.
READ_100 = """
import pickle, sys
from fink_client.consumer import AlertConsumer

servers, topic, group = sys.argv[1:]
consumer = AlertConsumer([topic], {"group.id": group, "bootstrap.servers": servers}, "ztf")
alerts = []
while len(alerts) < 100:
    alerts += [alert for _, alert, _ in consumer.consume(100 - len(alerts), 5) if alert]
consumer.close()
sys.stdout.buffer.write(pickle.dumps(alerts))
"""


def science_by_id(site: DistributeSite) -> dict[int, dict[str, Any]]:
    rows = ds.dataset(site.root / "ztf/online/science", partitioning="hive").to_table()
    return {row["alert_id"]: row for row in rows.drop_columns(["batch"]).to_pylist()}


def ten_lines(project_root: Path) -> str:
    """As README.md prints them."""
    blocks = re.findall(r"```python\n(.*?)```", (project_root / "README.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if "schemaless_reader" in block)
    return found


def test_ten_lines_of_python_read_a_topic(killed: DistributeSite, project_root: Path) -> None:
    text = ten_lines(project_root)
    assert len([line for line in text.splitlines() if line.strip()]) == 10
    assert text.count(SERVERS) == text.count(TOPIC) == 1
    topic = killed.topic_of("real_not_solar_system")
    text = text.replace(SERVERS, killed.kafka.servers).replace(TOPIC, topic)
    wanted = {
        f"{row['object_id']} {row['mag']}"
        for alert_id, row in science_by_id(killed).items()
        if alert_id in killed.expected()["real_not_solar_system"]
    }
    command = [sys.executable, "-u", "-c", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        lines = {reader.stdout.readline().strip() for _ in range(len(wanted))}
        reader.kill()
    assert lines == wanted


@pytest.fixture(scope="session")
def fink_python(project_root: Path, pytestconfig: pytest.Config) -> Path:
    """Python of an environment with fink-client alone; made once, by a full run."""
    folder = project_root / ".setup" / "fink-client"
    done = folder / FINK_CLIENT
    if not done.exists():
        if not (pytestconfig.getoption("--full") or os.environ.get("NIGHTJAR_FULL")):
            pytest.skip("fetches 770 MB once: bin/test --full, or NIGHTJAR_FULL=1")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", FINK_CLIENT]
        if subprocess.run(pip, check=False).returncode != 0:
            pytest.skip(f"{FINK_CLIENT} cannot be installed here")
        done.touch()
    return folder / "bin" / "python"


def test_fink_client_reads_alerts_equal_to_the_science_rows(
    killed: DistributeSite, fink_python: Path
) -> None:
    topic = killed.topic_of("real_not_solar_system")
    arguments = [killed.kafka.servers, topic, uuid.uuid4().hex]
    done = subprocess.run(
        [fink_python, "-c", READ_100, *arguments], capture_output=True, check=True, timeout=120
    )
    alerts = pickle.loads(done.stdout)
    science = science_by_id(killed)
    assert len({alert["candid"] for alert in alerts}) == 100
    for alert in alerts:
        row = science[alert["candid"]]
        assert alert["objectId"] == row["object_id"]
        assert {name: alert[name] for name in row} == row


def test_the_fink_command_line_shows_and_saves_alerts(
    killed: DistributeSite, fink_python: Path, tmp_path: Path
) -> None:
    environ = {**os.environ, "HOME": str(tmp_path)}
    saved = tmp_path / "saved"
    saved.mkdir()

    def finkctl(*words: str) -> str:
        command = [str(fink_python.parent / "finkctl"), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=120, env=environ
        )
        return done.stdout

    topic = killed.topic_of("for_fink")
    servers = killed.kafka.servers
    account = ("-username", "anyone", "-groupid", uuid.uuid4().hex, "-servers", servers)
    finkctl("auth", "register", "-survey", "ztf", *account, "-maxtimeout", "5")
    finkctl("topic", "subscribe", "-survey", "ztf", "-name", topic)
    words = ("-limit", "3", "-start_at", "earliest", "--display", "--save", "-outdir", str(saved))
    shown = finkctl("stream", "-survey", "ztf", *words)
    science = science_by_id(killed)
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
