"""Configuration files of fink-alert-simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.settings import PROJECT_ROOT, load_settings
from broker.simulator.conf import read_fink_conf

USUAL = """
# Kafka
KAFKA_IPPORT="localhost:29092"
KAFKA_TOPIC="elasticc"   # the topic

FINK_DATA_SIM=/data/gathered
DISPLAY_FIELD=diaSource,midPointTai
NALERTS_PER_OBS=5
NOBSERVATIONS=3
TIME_INTERVAL=1
"""


def conf_file(folder: Path, text: str) -> Path:
    path = folder / "fink.conf"
    path.write_text(text)
    return path


def test_the_usual_file_becomes_settings(tmp_path: Path) -> None:
    conf = read_fink_conf(conf_file(tmp_path, USUAL), {})
    settings = load_settings("ztf", None, conf.overrides, {})
    played = settings.simulator
    assert settings.kafka.servers == "localhost:29092"
    assert (played.topic, played.source) == ("elasticc", Path("/data/gathered"))
    assert played.display == "diaSource,midPointTai"
    assert (played.alerts_per_observation, played.observations) == (5, 3)
    assert played.interval_seconds == 1.0
    assert played.framing == "bare"
    assert conf.notes == ()


@pytest.mark.parametrize("given", ["EXTERNAL_SCHEMA=None", "EXTERNAL_SCHEMA='None'", ""])
def test_no_external_schema_means_none(tmp_path: Path, given: str) -> None:
    conf = read_fink_conf(conf_file(tmp_path, USUAL + given), {})
    assert load_settings("ztf", None, conf.overrides, {}).simulator.schema_path is None


def test_external_schema_and_partitions_are_taken(tmp_path: Path) -> None:
    text = USUAL + "EXTERNAL_SCHEMA=/schemas/alert.avsc\nNPARTITIONS=10\n"
    conf = read_fink_conf(conf_file(tmp_path, text), {})
    played = load_settings("ztf", None, conf.overrides, {}).simulator
    assert (played.schema_path, played.partitions) == (Path("/schemas/alert.avsc"), 10)


def test_variables_come_from_the_file_before_the_environment(tmp_path: Path) -> None:
    text = (
        "export HOST=here\nKAFKA_IPPORT=${HOST}:${PORT}\nKAFKA_TOPIC=$NAME\n"
        "FINK_DATA_SIM=${ROOT:-/else}/datasim\n"
    )
    environ = {"HOST": "there", "PORT": "9092", "NAME": "t"}
    words = read_fink_conf(conf_file(tmp_path, text), environ).overrides
    assert "kafka.servers=here:9092" in words
    assert "simulator.topic=t" in words
    assert "simulator.source=/else/datasim" in words


def test_single_quotes_keep_a_dollar(tmp_path: Path) -> None:
    text = "KAFKA_TOPIC='a$b'\nFINK_DATA_SIM=x\n"
    assert "simulator.topic=a$b" in read_fink_conf(conf_file(tmp_path, text), {}).overrides


def test_keys_of_the_docker_mode_are_noted(tmp_path: Path) -> None:
    text = USUAL.replace('"localhost:29092"', '""') + (
        'KAFKA_PORT_SIM=29092\nKAFKA_IPPORT_SIM="localhost:${KAFKA_PORT_SIM}"\n'
    )
    conf = read_fink_conf(conf_file(tmp_path, text), {})
    assert "kafka.servers=localhost:29092" in conf.overrides
    assert any("KAFKA_IPPORT_SIM" in note for note in conf.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NALERTS_PER_OB=3\n", "did you mean NALERTS_PER_OBS"),
        ("KAFKA_TOPIC = x\n", "is not KEY=VALUE"),
        ("KAFKA_TOPIC=a b\n", "more than one word"),
        ('KAFKA_TOPIC="a\n', "No closing quotation"),
        ("FINK_DATA_SIM=${NOWHERE}/x\n", "NOWHERE is not set"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"fink\.conf") as caught:
        read_fink_conf(conf_file(tmp_path, USUAL + text), {})
    assert said in str(caught.value)


@pytest.mark.parametrize("key", ["KAFKA_TOPIC", "FINK_DATA_SIM"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in USUAL.splitlines() if not line.startswith(key))
    with pytest.raises(SettingsError, match=key):
        read_fink_conf(conf_file(tmp_path, text), {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.conf"):
        read_fink_conf(tmp_path / "nothing.conf", {})


def test_the_shipped_examples_load() -> None:
    folder = PROJECT_ROOT / "conf" / "simulator"
    environ = {"ELASTICC_NIGHTS": "/nights"}
    conf = read_fink_conf(folder / "elasticc_prototype.conf", environ)
    prototype = load_settings("elasticc", None, conf.overrides, {}).simulator
    assert (prototype.alerts_per_observation, prototype.observations) == (5, 3)
    burst = load_settings("ztf", folder / "burst.toml", (), {}).simulator
    assert (burst.alerts_per_observation, burst.interval_seconds) == (10_000, 37.0)
