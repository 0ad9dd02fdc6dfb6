"""Settings come in layers, and what is wrong in one is named with the way to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.errors import SettingsError
from broker.settings import CONF_FOLDER, PROJECT_ROOT, Settings, load_settings


def load(*words: str, conf: Path | None = None, **environ: str) -> Settings:
    return load_settings("ztf", conf, words, environ)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_every_shipped_survey_loads() -> None:
    names = [path.stem for path in CONF_FOLDER.glob("*.toml") if path.stem != "nightjar"]
    assert sorted(names) == sorted(load_settings(name, environ={}).survey for name in names)


def test_a_later_layer_wins_key_by_key(tmp_path: Path) -> None:
    conf = write(
        tmp_path, '[kafka]\nservers = "conf:1"\ninput_topic = "conf"\noutput_prefix="conf"'
    )
    settings = load(
        "kafka.input_topic=word",
        conf=conf,
        NIGHTJAR__KAFKA__INPUT_TOPIC="environment",
        NIGHTJAR__KAFKA__OUTPUT_PREFIX="environment",
    )
    assert settings.kafka.servers == "conf:1"
    assert settings.kafka.output_prefix == "environment"
    assert settings.kafka.input_topic == "word"
    assert settings.ingest.framing == "container"


def test_the_last_of_two_words_wins() -> None:
    assert load("kafka.servers=a:1", "kafka.servers=b:2").kafka.servers == "b:2"


def test_relative_paths_start_at_the_checkout_the_conf_file_or_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    conf = write(tmp_path, '[storage]\nroot = "tables"')
    assert load().storage.root == str(PROJECT_ROOT / "data")
    assert load(conf=conf).storage.root == str(tmp_path / "tables")
    assert load("storage.root=tables").storage.root == str(here / "tables")
    assert load(NIGHTJAR__STORAGE__ROOT="tables").storage.root == str(here / "tables")
    assert load("storage.root=/a/b").survey_root == "/a/b/ztf"
    assert load("storage.root=hdfs://host:9000/a").survey_root == "hdfs://host:9000/a/ztf"


@pytest.mark.parametrize(
    ("word", "section", "key", "value"),
    [
        ("ingest.max_offsets_per_batch=250", "ingest", "max_offsets_per_batch", 250),
        ("ingest.trigger_seconds=0.5", "ingest", "trigger_seconds", 0.5),
        ("ingest.mjd_range=[53000, 62000.5]", "ingest", "mjd_range", (53000.0, 62000.5)),
        ('science.modules=["slope"]', "science", "modules", ("slope",)),
        ("ingest.framing=bare", "ingest", "framing", "bare"),
        ("kafka.servers=a:1,b:2", "kafka", "servers", "a:1,b:2"),
        # What looks like a number or a table stays text where text is wanted.
        ("kafka.input_topic=20240707", "kafka", "input_topic", "20240707"),
        ("kafka.input_topic=[0-9]{8}", "kafka", "input_topic", "[0-9]{8}"),
        ("kafka.input_topic='ztf'", "kafka", "input_topic", "ztf"),
        ("kafka.input_topic=a=b", "kafka", "input_topic", "a=b"),
    ],
)
def test_words_become_values_of_the_type_that_the_key_wants(
    word: str, section: str, key: str, value: object
) -> None:
    assert getattr(getattr(load(word), section), key) == value


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ingest.framng=bare", "unknown setting ingest.framng; did you mean ingest.framing?"),
        ("ingest.schem=x", "did you mean ingest.schema?"),
        ("kafak.servers=x", "unknown setting kafak; did you mean kafka?"),
        ("kafka.zzz=1", "unknown setting kafka.zzz; known: servers, input_topic"),
        ("kafka.servers", "--set kafka.servers: expected section.key=value"),
        ("servers=x", "--set servers=x: expected one section and one key"),
        ("ingest.framing=xml", "ingest.framing = 'xml'"),
        ("ingest.batch_megabytes=0", "ingest.batch_megabytes = 0"),
        ("ingest.batch_megabytes=many", "ingest.batch_megabytes = 'many'"),
        ("storage.root=s3a://bucket/x", "object stores have no rename"),
        ("storage.root=gs://bucket", "gs:// is an object store"),
    ],
)
def test_a_wrong_word_is_named_with_the_next_step(word: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(word)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load("ingest.framng=bare", "kafka.zzz=1")
    assert "ingest.framng" in str(caught.value)
    assert "kafka.zzz" in str(caught.value)


def test_a_wrong_environment_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="environment variable NIGHTJAR__KAFKA"):
        load(NIGHTJAR__KAFKA="x")


def test_a_survey_without_settings_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"unknown survey 'atlas'; known: .*elasticc.*ztf"):
        load_settings("atlas", environ={})


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*absent\.toml"):
        load(conf=tmp_path / "absent.toml")
    with pytest.raises(SettingsError, match=r"mine\.toml is not valid TOML"):
        load(conf=write(tmp_path, "[kafka"))


def test_a_file_in_another_code_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes("# Größe\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"latin\.toml is not UTF-8: .* at byte 4"):
        load(conf=path)


def test_a_file_for_another_survey_is_refused(tmp_path: Path) -> None:
    conf = write(tmp_path, 'survey = "elasticc"\n')
    with pytest.raises(SettingsError, match=r"mine\.toml is for survey 'elasticc', .*'ztf'; give"):
        load(conf=conf)
    assert load_settings("elasticc", conf, environ={}).survey == "elasticc"


def test_the_survey_is_the_site_s_where_nobody_names_another(tmp_path: Path) -> None:
    conf = write(tmp_path, 'survey = "elasticc"\n')
    environ = {"NIGHTJAR__SURVEY": "elasticc"}
    assert load_settings(environ={}).survey == "ztf"
    assert load_settings(conf=conf, environ={}).kafka.input_topic == "elasticc_alerts"
    assert load_settings(environ=environ).kafka.input_topic == "elasticc_alerts"
    assert load_settings("ztf", environ=environ).kafka.input_topic == "ztf_alerts"


def test_a_file_for_another_survey_than_the_environment_s_is_refused(tmp_path: Path) -> None:
    conf = write(tmp_path, 'survey = "elasticc"\n')
    with pytest.raises(SettingsError, match=r"is for survey 'elasticc', and environment"):
        load_settings(conf=conf, environ={"NIGHTJAR__SURVEY": "ztf"})


def test_a_path_may_look_like_a_number_or_a_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load("simulator.source=20240910").simulator.source == tmp_path / "20240910"
    assert load("simulator.source=2024-09-10").simulator.source == tmp_path / "2024-09-10"
    assert load("ingest.schema=4.02").ingest.schema_path == tmp_path / "4.02"
    assert load("storage.root=file:///a/b").survey_root == "/a/b/ztf"


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.servers = "x"
