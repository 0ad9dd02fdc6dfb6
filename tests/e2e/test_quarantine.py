"""From files to raw and quarantine, and back from quarantine once the cause is fixed."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from broker.kafka.embedded.server import EmbeddedKafka
from tests.crafted import ztf_packets
from tests.e2e.site import ROOT, Ended, Site

SENT = 60
TOPIC = "e2e_spoilt"


@pytest.fixture(scope="module")
def spoilt(
    site: Callable[..., Site], kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory
) -> Site:
    """A night of which some packets were damaged on the way, and the rest lies outside the times
    that the settings allow."""
    folder = tmp_path_factory.mktemp("packets")
    for number, packet in enumerate(ztf_packets(range(SENT))):
        (folder / f"{number}.avro").write_bytes(packet)
    one = site(TOPIC, ingest__mjd_range="[1, 2]")
    words = ["--servers", kafka.servers, "--topic", TOPIC, "--corrupt-fraction", "0.3"]
    simulate(folder, *words)
    return one


def simulate(folder: Path, *words: str) -> None:
    command = [str(ROOT / "bin/nightjar"), "simulate", str(folder), *words]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def refused(spoilt: Site, spark: SparkSession) -> list[dict[str, Any]]:
    """The quarantine after the night came in."""
    job = spoilt.run_in_process(spark)
    assert job.code == 0, job.text
    return listed(spoilt)


def listed(site: Site) -> list[dict[str, Any]]:
    command = site.nightjar("quarantine", "list", "--json")
    assert command.code == 0, command.text
    rows: list[dict[str, Any]] = json.loads(command.text)
    return rows


@pytest.fixture(scope="module")
def replayed(spoilt: Site, refused: list[dict[str, Any]]) -> Ended:
    """The cause is fixed, and what is waiting is tried again."""
    assert refused
    del spoilt.words["ingest.mjd_range"]
    return spoilt.nightjar("quarantine", "replay")


def test_all_are_quarantined_with_their_reasons_and_the_stream_ends_well(
    refused: list[dict[str, Any]],
) -> None:
    reasons = Counter(row["reason"] for row in refused)
    assert sum(reasons.values()) == SENT
    assert reasons["time_invalid"] > SENT / 2
    assert len(reasons) >= 4
    assert sorted(row["offset"] for row in refused) == list(range(SENT))
    assert not any(row["replayed"] for row in refused)


def test_the_list_counts_by_reason(spoilt: Site, refused: list[dict[str, Any]]) -> None:
    text = spoilt.nightjar("quarantine", "list", "--most", "3").text
    waiting = Counter(row["reason"] for row in refused)
    for reason, count in waiting.items():
        assert re.search(rf"{reason}\W+{count}\b", text), text
    assert f"… and {SENT - 3} more" in text


def test_a_packet_can_be_looked_at_and_saved(
    spoilt: Site, refused: list[dict[str, Any]], tmp_path: Path
) -> None:
    row = next(row for row in refused if row["reason"] == "time_invalid")
    place = (row["topic"], str(row["partition"]), str(row["offset"]))
    path = tmp_path / "packet.avro"
    command = spoilt.nightjar("quarantine", "show", *place, "--save", str(path))
    assert command.code == 0, command.text
    assert "is not between MJD 1.0 and 2.0" in command.text
    assert path.read_bytes() in ztf_packets(range(SENT))


def test_a_position_that_is_not_there_is_refused(spoilt: Site, refused: object) -> None:
    command = spoilt.nightjar("quarantine", "show", TOPIC, "0", "9999")
    assert command.code == 2
    assert "`nightjar quarantine list` shows which are" in command.reason


def test_replay_brings_back_what_can_be_used_now(
    spoilt: Site, refused: list[dict[str, Any]], replayed: Ended
) -> None:
    sound = sorted(row["offset"] for row in refused if row["reason"] == "time_invalid")
    assert replayed.code == 0, replayed.text
    told = f"replayed {len(sound)} of {SENT} packets as batch replay-[0-9a-f]{{8}}-000000"
    assert re.search(told, replayed.reason)
    assert [offset for _, _, offset in spoilt.raw_by_duckdb()] == sound
    assert [row["offset"] for row in listed(spoilt) if row["replayed"]] == sound
    code, findings = spoilt.audit("--deep")
    assert (code, [f["differences"] for f in findings if f["differences"]]) == (0, [])


def test_what_was_replayed_is_never_replayed_again(spoilt: Site, replayed: Ended) -> None:
    before = spoilt.raw_by_duckdb()
    again = spoilt.nightjar("quarantine", "replay")
    assert again.code == 0, again.text
    assert again.reason.startswith("replayed 0 packets")
    assert spoilt.raw_by_duckdb() == before
    assert spoilt.storage.names("staging/replay") == []
