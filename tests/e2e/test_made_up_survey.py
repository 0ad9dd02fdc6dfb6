"""A survey that no file of the broker names, from Kafka to a topic and back."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from broker.client import iterate
from broker.client.identity import object_id_of, paths_of
from broker.kafka.embedded.server import EmbeddedKafka
from broker.packets.framing import encode
from broker.packets.schemas import schema_text
from broker.surveys import SURVEYS
from broker.units import njy_per_unit
from tests.e2e.distribution.distributing import DistributeSite
from tests.e2e.made_up import MADE_UP, SCHEMA, SCHEMA_ID, VERSION, record
from tests.e2e.site import ROOT, JobName, make_topic, produce

JOBS: tuple[JobName, ...] = ("stream2raw", "raw2science", "distribute")
NIGHT = 20240707
N_ALERTS = 40
WHERE = "is_positive AND real_bogus.is_real AND band <> 'J'"


@pytest.fixture(scope="module")
def survey_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The survey with its schema and settings, known while these tests run."""
    folder = tmp_path_factory.mktemp("made_up")
    schema = folder / "schemas" / MADE_UP.name / VERSION
    schema.mkdir(parents=True)
    (schema / "made_up.alert.avsc").write_text(schema_text(SCHEMA))
    conf = folder / "conf"
    conf.mkdir()
    shutil.copy(ROOT / "conf/nightjar.toml", conf)
    (conf / "made_up.toml").write_text(
        '[kafka]\ninput_topic = "made_up_alerts"\n'
        f'[ingest]\nframing = "confluent"\nschema = "{schema.parent}"\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        made_up = replace(MADE_UP, schemas=folder / "schemas")
        patch.setitem(SURVEYS, MADE_UP.name, made_up)
        patch.setattr("broker.surveys.base.SCHEMAS_FOLDER", folder / "schemas")
        for module in ("load", "layers"):
            patch.setattr(f"broker.settings.{module}.CONF_FOLDER", conf)
        yield folder


@pytest.fixture(scope="module")
def site(survey_folder: Path, kafka: EmbeddedKafka, spark: SparkSession) -> DistributeSite:
    """All stages over sound packets and one of another schema."""
    prefix = f"t{uuid.uuid4().hex[:6]}"
    topic = f"{prefix}_alerts"
    make_topic(kafka, topic)
    values = [encode(record(n), SCHEMA, "confluent", schema_id=SCHEMA_ID) for n in numbers()]
    produce(kafka, topic, [*values, encode(record(99), SCHEMA, "confluent", schema_id=1234)])
    words = {"kafka.output_prefix": prefix, "filters.folder": str(survey_folder / "filters")}
    one = DistributeSite(survey_folder, kafka, topic, MADE_UP.name, words)
    one.filters.mkdir()
    one.write_filter("optical", WHERE)
    one.write_filter("pictures", "alert_id > 0", "cutouts")
    for job in JOBS:
        ended = one.run_in_process(spark, job)
        assert ended.code == 0, ended.text
    return one


def numbers() -> range:
    return range(1, N_ALERTS + 1)


def is_wanted(packet: dict[str, Any]) -> bool:
    """What `WHERE` says, of the packet."""
    real = packet["realness"] >= 0.55
    return packet["counts"] > 0 and real and packet["wavelength"] != 1250


def consumed(site: DistributeSite, name: str) -> dict[int, Any]:
    alerts = iterate(
        site.topic_of(name), servers=site.kafka.servers, timeout_seconds=0, survey=site.survey
    )
    return {alert["alert_id"]: alert for alert in alerts}


def test_every_packet_is_in_raw_or_in_quarantine(site: DistributeSite) -> None:
    folder = site.root / "made_up/online/raw"
    rows = ds.dataset(folder, partitioning="hive").to_table().to_pylist()
    found = {row["alert_id"]: row for row in rows}
    assert sorted(found) == list(numbers())
    assert {row["night"] for row in rows} == {NIGHT}
    for number, row in found.items():
        packet = record(number)
        assert {name: row[name] for name in packet} == packet
    refused = ds.dataset(site.root / "made_up/quarantine").to_table().to_pylist()
    assert [row["reason"] for row in refused] == ["schema_unknown"]


def test_the_topic_has_what_the_filter_says_of_the_packets(site: DistributeSite) -> None:
    found = consumed(site, "optical")
    assert sorted(found) == [number for number in numbers() if is_wanted(record(number))] != []
    site.check_exactly_once()


def test_photometry_of_its_own_kind_reaches_the_subscriber(site: DistributeSite) -> None:
    for number, alert in consumed(site, "pictures").items():
        packet = record(number)
        flux = packet["counts"] * njy_per_unit(packet["zero_point"])
        assert alert["flux_njy"] == pytest.approx(flux)
        assert alert["is_positive"] == (flux > 0)
        assert alert["band"] == {480: "g", 620: "r", 1250: "J"}[packet["wavelength"]]
        assert alert["real_bogus"]["source"] == "rb"
        assert alert["real_bogus"]["score"] == packet["realness"]
        assert alert["solar_system"]["is_known"] is None
        assert alert["classifier"] is None
        assert len(alert["lightcurve"]) == alert["n_detections"] == 3
        assert alert["slope"]["n_points"] == 3
        assert alert["slopes"].keys() == set("ugrizy")
        assert (alert["source"], alert["star"]) == (number, packet["star"])
        assert alert["stamp"] == packet["stamp"]


def test_its_packets_are_told_from_those_of_other_surveys(survey_folder: Path) -> None:
    assert paths_of(record(7)) is MADE_UP.packet
    assert object_id_of(record(7)) == "star 3"


def test_commands_know_it(site: DistributeSite) -> None:
    described = site.nightjar("describe")
    assert described.code == 0, described.text
    audit, findings = site.audit("--deep")
    assert audit == 0, findings
    scored = site.nightjar("science", "explain", "7")
    assert scored.code == 0, scored.text
    assert "classifier: off" in scored.text
