"""What the previous version left, root and topics, is read, continued, audited and archived."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from pyspark.sql import SparkSession

from broker.kafka.embedded.server import EmbeddedKafka
from tests import previous_version
from tests.e2e.distribution.distributing import DistributeSite, header
from tests.e2e.site import Ended, JobName

TOPIC, GROUP = "ztf_alerts", "subscriber"
NIGHTS = (20240910, 20240911)
NOW, LATER = (previous_version.expected()[when] for when in ("now", "later"))
NAMES = previous_version.names()
FILTERS = sorted(NOW["messages"])
LATER_JOBS: tuple[JobName, ...] = ("raw2science", "distribute")
Place = tuple[int, int]
"""Partition and offset in the input topic."""


class OldSite(DistributeSite):
    """The site that the previous version left."""

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Result of an SQL query over the tables."""
        path = self.root / f"result-{time.monotonic_ns()}.parquet"
        done = self.nightjar("sql", query, "--out", str(path))
        assert done.code == 0, done.text
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows

    def counts(self, table: str) -> dict[str, int]:
        """Rows of a table by night and batch, whether online or in the archive."""
        rows = self.rows(f"select night, batch, count(*) as n from {table} group by all")
        return {f"{row['night']}/{row['batch']}": row["n"] for row in rows}

    def listed(self) -> list[dict[str, Any]]:
        """The quarantine."""
        command = self.nightjar("quarantine", "list", "--json")
        assert command.code == 0, command.text
        rows: list[dict[str, Any]] = json.loads(command.text)
        return rows

    def sent(self) -> dict[str, list[int]]:
        """Sorted alerts of each filter's topic; one that was sent twice is there twice."""
        return {
            name: sorted(int(header(message, "alert_id")) for message in self.messages(name))
            for name in FILTERS
        }

    def matching(self, name: str) -> list[int]:
        """Alerts of the science table that a filter selects, by DuckDB."""
        where = tomllib.loads((self.filters / f"{name}.toml").read_text())["where"]
        rows = self.rows(f"select alert_id from science where ({where}) order by 1")
        return [row["alert_id"] for row in rows]

    def parquet_files(self) -> set[Path]:
        """All files of tables and ledger."""
        return set((self.root / self.survey).rglob("*.parquet"))

    def close(self, night: int) -> Ended:
        """Archive a night."""
        return self.nightjar("archive", "--night", str(night))


@dataclass
class Read:
    """What the commands see at one moment."""

    science: dict[str, int]
    raw: dict[str, int]
    listed: list[dict[str, Any]]
    sent: dict[str, list[int]]
    audit: tuple[int, list[dict[str, Any]]]
    files: set[Path]


def read(site: OldSite) -> Read:
    return Read(
        science=site.counts("science"),
        raw=site.counts("raw"),
        listed=site.listed(),
        sent=site.sent(),
        audit=site.audit("--deep"),
        files=site.parquet_files(),
    )


@pytest.fixture(scope="module")
def old(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldSite]:
    """The site as it was left; nothing of the current version has run yet."""
    folder = tmp_path_factory.mktemp("previous")
    previous_version.unpack_root(folder)
    previous_version.restore_topics(kafka.client_options())
    root = folder / "root"
    words = {"kafka.output_prefix": "nightjar", "filters.folder": str(root / "filters")}
    site = OldSite(root, kafka, TOPIC, "ztf", words)
    yield site
    site.stop_all()


@pytest.fixture(scope="module")
def found(old: OldSite) -> Read:
    """What the commands make of it as it is."""
    return read(old)


@pytest.fixture(scope="module")
def status(old: OldSite, found: Read) -> Ended:
    return old.nightjar("status")


@pytest.fixture(scope="module")
def objects(old: OldSite, found: Read) -> dict[str, int]:
    """Alerts that ``nightjar object`` finds."""
    counts = {}
    for name in NOW["objects"]:
        path = old.root / f"{name}.parquet"
        assert old.nightjar("object", name, "--out", str(path)).code == 0
        counts[name] = pq.read_metadata(path).num_rows
    return counts


@dataclass
class GoneOn:
    """The current version has gone on: how that ended, and what the commands see then."""

    run: Ended
    began: float
    read: Read


@pytest.fixture(scope="module")
def gone_on(old: OldSite, status: Ended, objects: object, spark: SparkSession) -> GoneOn:
    began = time.time()
    run = old.nightjar("run", "--once")
    assert run.code == 0, run.text
    return GoneOn(run, began, read(old))


@pytest.fixture(scope="module")
def closed(old: OldSite, gone_on: GoneOn) -> Read:
    """Both nights are archived: one that was open, and one that was closed and has late alerts."""
    for night in NIGHTS:
        ended = old.close(night)
        assert ended.code == 0, ended.text
    return read(old)


# --- as it was left ------------------------------------------------------------------------------


def test_every_row_is_read_where_it_was_left(found: Read) -> None:
    assert found.raw == NOW["rows"]["raw"]
    assert found.science == NOW["rows"]["science"]


def test_the_quarantine_is_listed_with_reasons_and_replays(found: Read) -> None:
    assert Counter(row["reason"] for row in found.listed) == NOW["quarantine"]
    assert sum(row["replayed"] for row in found.listed) == NOW["replayed"]


def test_an_object_has_its_alerts_of_closed_and_open_nights(objects: dict[str, int]) -> None:
    assert objects == NOW["objects"]


def test_a_reprocessed_night_is_compared_with_the_version_before(old: OldSite, found: Read) -> None:
    ended = old.nightjar("diff", "--night", str(NIGHTS[0]))
    assert ended.code == 0, ended.text


def test_the_restored_topics_hold_what_was_sent(found: Read) -> None:
    assert found.sent == NOW["messages"]


def test_the_audit_finds_every_equation_to_hold(found: Read) -> None:
    code, findings = found.audit
    assert code == 0, broken(findings)


def test_status_counts_what_waits_for_each_stage(status: Ended) -> None:
    assert status.code == 0, status.text
    waiting = {"raw": unread(), "science": waiting_for("science"), "distribute": unsent()}
    for stage, alerts in waiting.items():
        assert alerts > 0
        assert re.search(rf"\b{stage}\b.*\b{alerts}\b", status.text), status.text


def unread() -> int:
    """Messages that stream2raw had not read."""
    return len(input_places()) - sum(NOW["rows"]["raw"].values()) - refused_for_good()


def refused_for_good() -> int:
    return sum(NOW["quarantine"].values()) - int(NOW["replayed"])


def waiting_for(stage: str) -> int:
    """Raw rows of batches that a stage had not done."""
    keys = {*NOW["batches"]["raw"], *NOW["batches"]["replay"]} - {*NOW["batches"][stage]}
    return rows_of(NOW["rows"]["raw"], keys)


def unsent() -> int:
    """Science rows of batches that distribute had not done."""
    keys = {*NOW["batches"]["science"]} - {*NOW["batches"]["distribute"]}
    return rows_of(NOW["rows"]["science"], keys)


def rows_of(counts: dict[str, int], keys: Iterable[str]) -> int:
    return sum(n for place, n in counts.items() if place.partition("/")[2] in keys)


# --- gone on -------------------------------------------------------------------------------------


def test_batches_that_waited_are_done_under_their_keys(old: OldSite, gone_on: GoneOn) -> None:
    raw = {row.key for row in old.committed("stream2raw")}
    assert {*NOW["batches"]["raw"]} < raw
    assert len(raw) == len(LATER["batches"]["raw"])
    for job in LATER_JOBS:
        assert {row.key for row in old.committed(job)} == raw | {*NOW["batches"]["replay"]}


def test_every_packet_is_in_raw_or_quarantine_once(old: OldSite, gone_on: GoneOn) -> None:
    rows = old.rows('select ingest."partition" as p, ingest."offset" as o from raw')
    raw = [(row["p"], row["o"]) for row in rows]
    refused = {
        (row["partition"], row["offset"]) for row in gone_on.read.listed if not row["replayed"]
    }
    assert len(set(raw)) == len(raw)
    assert not refused & set(raw)
    assert refused | set(raw) == input_places()


def test_each_alert_is_in_science_once(old: OldSite, gone_on: GoneOn) -> None:
    for night, ids in LATER["science_ids"].items():
        rows = old.rows(f"select alert_id from science where night = {night} order by 1")
        assert [row["alert_id"] for row in rows] == ids


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_has_sent_each_alert_that_matches_once(
    name: str, old: OldSite, found: Read, gone_on: GoneOn
) -> None:
    sent = gone_on.read.sent[name]
    assert not Counter(found.sent[name]) - Counter(sent), "what was sent is gone"
    assert sent == old.matching(name)


@pytest.mark.parametrize("name", ["everything", "pictures"])
def test_filters_on_ids_have_sent_what_the_previous_version_would_have(
    name: str, gone_on: GoneOn
) -> None:
    assert gone_on.read.sent[name] == LATER["messages"][name]


def test_the_audit_of_old_and_new_batches_finds_every_equation_to_hold(gone_on: GoneOn) -> None:
    code, findings = gone_on.read.audit
    assert code == 0, broken(findings)


def test_a_subscriber_goes_on_where_its_group_was(old: OldSite, gone_on: GoneOn) -> None:
    path = old.root / "subscriber.parquet"
    topic = old.topic_of("everything")
    servers = ("--servers", old.kafka.servers)
    ended = old.nightjar(
        "consume", topic, *servers, "--group", GROUP, "--timeout", "0", "--save", str(path)
    )
    assert ended.code == 0, ended.text
    got = pq.read_table(path, columns=["alert_id"])["alert_id"].to_pylist()
    before = previous_version.read_by_group(GROUP, topic)
    assert Counter(got) == Counter(gone_on.read.sent["everything"]) - Counter(before)


def test_nothing_is_left_to_do(old: OldSite, closed: Read) -> None:
    ended = old.nightjar("run", "--once")
    assert ended.code == 0, ended.text
    assert old.sent() == closed.sent


# --- archived ------------------------------------------------------------------------------------


def test_archiving_both_nights_loses_and_doubles_nothing(gone_on: GoneOn, closed: Read) -> None:
    assert closed.raw == gone_on.read.raw
    assert closed.science == gone_on.read.science
    assert closed.sent == gone_on.read.sent


def test_both_nights_are_in_the_archive_whole(old: OldSite, closed: Read) -> None:
    for table, counts in (("raw", closed.raw), ("science", closed.science)):
        for night in NIGHTS:
            files = old.root.glob(f"ztf/archive/{table}/night={night}/*.parquet")
            n_archived = sum(pq.read_metadata(path).num_rows for path in files)
            assert n_archived == sum(
                n for place, n in counts.items() if place.startswith(f"{night}/")
            )


def test_the_audit_of_the_archive_finds_every_equation_to_hold(closed: Read) -> None:
    code, findings = closed.audit
    assert code == 0, broken(findings)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted(NAMES["columns"]))
def test_new_files_have_the_previous_columns_with_their_types(
    table: str, old: OldSite, found: Read, closed: Read
) -> None:
    folder = {"ledger": "ledger/stage=raw", "closed": "ledger/closed"}.get(table, table)
    area = old.root / "ztf" / folder
    fresh = [path for path in closed.files - found.files if area in path.parents]
    assert fresh, f"nothing new was written to {folder}"
    for path in fresh:
        columns = dict(previous_version.leaves(pq.read_schema(path)))
        kept = {name: columns.get(name) for name in NAMES["columns"][table]}
        assert kept == NAMES["columns"][table], path


def test_the_marker_topic_names_each_batch_once(old: OldSite, gone_on: GoneOn) -> None:
    assert old.topic_of("published") == NAMES["marker_topic"]
    keys = Counter((message.key() or b"").decode() for message in old.messages("published"))
    batches = {key: n for key, n in keys.items() if key.startswith("batch:")}
    done = {row.key for row in old.distributed()}
    assert batches == {f"batch:{key}": 1 for key in done}


def test_new_messages_have_the_previous_headers(old: OldSite, gone_on: GoneOn) -> None:
    for message in old.messages("everything"):
        assert {name for name, _ in message.headers() or ()} >= {*NAMES["message_headers"]}


def test_distribute_sends_under_the_previous_transactional_id(
    old: OldSite, gone_on: GoneOn
) -> None:
    assert NAMES["transactional_id"] in transactional_ids(old.kafka, gone_on.began)


def transactional_ids(kafka: EmbeddedKafka, since: float) -> set[str]:
    """Ids that Kafka's own topic of transactions names since a time (seconds since 1970)."""
    consumer = Consumer({**kafka.client_options(), "group.id": "ids", "enable.auto.commit": False})
    topic = "__transaction_state"
    numbers = consumer.list_topics(topic, 30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
    found = set()
    while (message := consumer.poll(3.0)) is not None:
        if message.error() is None and message.timestamp()[1] >= since * 1000:
            # A version and a length, two bytes each, come before the id.
            found.add((message.key() or b"")[4:].decode())
    consumer.close()
    return found


def input_places() -> set[Place]:
    return {
        (row["partition"], row["offset"])
        for row in previous_version.messages()
        if row["topic"] == TOPIC
    }


def broken(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [finding for finding in findings if not finding["holds"]]
