"""WINTER and PGIR from Kafka to a topic and back: packets made from the schema, and recorded."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from broker.client import iterate
from broker.kafka.embedded.server import EmbeddedKafka
from broker.packets.files import iterate_packets
from broker.packets.schemas import Schema, parse_schema, schema_text
from broker.surveys import get_survey
from tests.crafted import container, pgir_record, schema_of, winter_record
from tests.e2e.distribution.distributing import SHIPPED, DistributeSite
from tests.e2e.site import JobName, make_topic, produce
from tests.spark.oracle import differences

JOBS: tuple[JobName, ...] = ("stream2raw", "raw2science", "distribute")
SURVEYS = ("winter", "pgir")
N_MADE = 60
# What Nightjar adds to a packet.
OURS = {"alert_id", "object_id", "healpix29", "ingest", "night", "batch"}
RECORDED = {"winter": ("winter_kowalski",), "pgir": ("pgir_kowalski",)}
FILTERS = {"winter": "infrared_transients", "pgir": "new_sources"}
Make = Callable[[str, list[bytes]], DistributeSite]


def winter_schema_as_sent() -> Schema:
    """WINTER's schema as its packets have it: one field comes twice."""
    raw = json.loads(schema_text(schema_of("winter")))
    candidate = next(f["type"] for f in raw["fields"] if f["name"] == "candidate")
    names = [field["name"] for field in candidate["fields"]]
    place = names.index("sgmag1")
    candidate["fields"].insert(place + 1, dict(candidate["fields"][place]))
    return parse_schema(raw, "test")


def made(survey: str) -> list[bytes]:
    numbers = range(1, N_MADE + 1)
    if survey == "pgir":
        return [container(pgir_record(number), schema_of("pgir")) for number in numbers]
    schema = winter_schema_as_sent()
    return [container(winter_record(n, sgmag1=n / 4), schema) for n in numbers]


def recorded(shared_data: Path, survey: str) -> list[bytes]:
    folders = [shared_data / "other" / name for name in RECORDED[survey]]
    return [packet.value for folder in folders for packet in iterate_packets(folder)]


@pytest.fixture(scope="module")
def site(
    kafka: EmbeddedKafka, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Make:
    """Sites whose packets went through all stages, with the shipped filter and one of images."""

    def make(survey: str, values: list[bytes]) -> DistributeSite:
        folder, prefix = tmp_path_factory.mktemp(survey), f"t{uuid.uuid4().hex[:6]}"
        topic = f"{prefix}_alerts"
        make_topic(kafka, topic)
        produce(kafka, topic, values)
        words = {"kafka.output_prefix": prefix, "filters.folder": str(folder / "filters")}
        made_site = DistributeSite(folder, kafka, topic, survey, words)
        made_site.set_filters()
        made_site.write_filter("pictures", "alert_id > 0", "cutouts")
        for job in JOBS:
            ended = made_site.run_in_process(spark, job)
            assert ended.code == 0, ended.text
        return made_site

    return make


@pytest.fixture(scope="module")
def made_sites(site: Make) -> dict[str, DistributeSite]:
    """One site for each survey, with packets made from its schema."""
    return {survey: site(survey, made(survey)) for survey in SURVEYS}


def check_raw(site: DistributeSite, values: list[bytes]) -> None:
    """Every packet is in raw once, each field as fastavro reads it, and its bytes are not kept."""
    folder = site.root / site.survey / "online/raw"
    rows = ds.dataset(folder, partitioning="hive").to_table().to_pylist()
    by_offset = {row["ingest"]["offset"]: row for row in rows}
    assert sorted(by_offset) == list(range(len(values)))
    for offset, value in enumerate(values):
        (packet,) = fastavro.reader(io.BytesIO(value))
        row = {name: item for name, item in by_offset[offset].items() if name not in OURS}
        assert differences(packet, row) == []
        assert not by_offset[offset]["ingest"]["unknown_fields"]
        assert by_offset[offset]["ingest"]["packet"] is None


def consumed(site: DistributeSite, name: str) -> dict[int, Any]:
    """Alerts of a filter's topic, by id, as our client reads them."""
    alerts = iterate(
        site.topic_of(name), servers=site.kafka.servers, timeout_seconds=0, survey=site.survey
    )
    return {alert["alert_id"]: alert for alert in alerts}


@pytest.mark.parametrize("survey", SURVEYS)
def test_made_packets_arrive_whole(made_sites: dict[str, DistributeSite], survey: str) -> None:
    check_raw(made_sites[survey], made(survey))
    made_sites[survey].check_exactly_once()


@pytest.mark.parametrize("survey", SURVEYS)
def test_the_shipped_filter_s_topic_is_read_back(
    made_sites: dict[str, DistributeSite], survey: str
) -> None:
    site, name = made_sites[survey], FILTERS[survey]
    assert (SHIPPED / survey / f"{name}.toml").is_file()
    found = consumed(site, name)
    assert sorted(found) == site.expected()[name]
    assert 0 < len(found) < N_MADE
    for alert_id, alert in found.items():
        assert alert["survey"] == survey
        assert alert["is_positive"]
        assert alert["candid"] == alert_id
        assert alert["classifier"] is None
        versions = {m["name"]: m["version"] for m in alert["provenance"]["modules"]}
        assert versions["classifier"] == "off"


def test_winter_s_bands_and_pgir_s_band_reach_the_subscriber(
    made_sites: dict[str, DistributeSite],
) -> None:
    winter = consumed(made_sites["winter"], "pictures")
    bands = {alert["candidate"]["fid"]: alert["band"] for alert in winter.values()}
    assert bands == {0: "y", 1: "J", 2: "H", 3: "K"}
    assert all(alert["objectid"] == alert["object_id"] for alert in winter.values())
    pgir = consumed(made_sites["pgir"], "pictures")
    assert {alert["band"] for alert in pgir.values()} == {"J"}
    assert all(alert["objectId"] == alert["object_id"] for alert in pgir.values())


@pytest.mark.parametrize("survey", SURVEYS)
def test_images_are_sent_where_a_filter_asks_for_them(
    made_sites: dict[str, DistributeSite], survey: str
) -> None:
    found = consumed(made_sites[survey], "pictures")
    assert len(found) == N_MADE
    for alert in found.values():
        assert {alert[name] for name in get_survey(survey).cutouts} == {b"no image"}


@pytest.mark.parametrize("survey", SURVEYS)
def test_recorded_packets_go_the_same_way(site: Make, shared_data: Path, survey: str) -> None:
    values = recorded(shared_data, survey)
    one = site(survey, values)
    check_raw(one, values)
    one.check_exactly_once()
    found = consumed(one, "pictures")
    assert len(found) == len(values)
    for value in values:
        (packet,) = fastavro.reader(io.BytesIO(value))
        alert = found[packet["candid"]]
        assert alert["candidate"]["magpsf"] == packet["candidate"]["magpsf"]
        images = {name: packet[name] for name in get_survey(survey).cutouts}
        assert {name: alert[name] for name in images} == images
