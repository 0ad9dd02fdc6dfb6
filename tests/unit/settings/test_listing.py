"""``nightjar settings``: every setting with its value, its origin and its meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broker.commands.app import main
from broker.errors import UsageError
from broker.settings import Settings
from broker.settings.layers import section_model
from broker.settings.listing import SettingLine, list_settings
from broker.settings.load import read_layers


def listed(*words: str, conf: Path | None = None, **environ: str) -> dict[str, SettingLine]:
    lines = list_settings(read_layers(None, conf, words, environ))
    return {line.name: line for line in lines}


def test_every_setting_is_listed() -> None:
    assert set(listed()) == {"survey"} | {
        f"{section}.{field.alias or name}"
        for section in Settings.model_fields
        for name, field in getattr(section_model(section), "model_fields", {}).items()
    }


def test_the_origin_is_the_layer_that_wins(tmp_path: Path) -> None:
    conf = tmp_path / "mine.toml"
    conf.write_text('[kafka]\nservers = "a:1"\noutput_prefix = "conf"\n[ingest]\nschema = "x"')
    variable = "NIGHTJAR__KAFKA__OUTPUT_PREFIX"
    lines = listed("archive.keep_days=3", conf=conf, **{variable: "environment"})
    wanted = {
        "kafka.servers": ("a:1", f"--conf {conf}"),
        "kafka.output_prefix": (
            "environment",
            "environment variable NIGHTJAR__KAFKA__OUTPUT_PREFIX",
        ),
        "kafka.input_topic": ("ztf_alerts", "conf/ztf.toml"),
        "kafka.output_servers": ("", "conf/nightjar.toml"),
        "archive.keep_days": ("3.0", "--set"),
        "ingest.schema": (str(tmp_path / "x"), f"--conf {conf}"),
        "ingest.mjd_range": ("", "default"),
        "simulator.partitions": ("1", "default"),
    }
    assert {name: (lines[name].value, lines[name].origin) for name in wanted} == wanted


def test_a_secret_is_never_shown() -> None:
    environ = {
        "NIGHTJAR__KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "NIGHTJAR__KAFKA__USER": "me",
        "NIGHTJAR__KAFKA__PASSWORD": "cyan-otter",
    }
    lines = listed(**environ)
    assert lines["kafka.password"].value == "***"
    assert "cyan-otter" not in str(lines)
    assert listed()["kafka.password"].value == ""


def test_the_origin_of_the_survey_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed()["survey"].origin == "conf/nightjar.toml"
    assert listed(NIGHTJAR__SURVEY="elasticc")["survey"] == SettingLine(
        "survey",
        "elasticc",
        "environment variable NIGHTJAR__SURVEY",
        str(Settings.model_fields["survey"].description),
    )


def test_a_section_or_one_setting_can_be_asked_for() -> None:
    layers = read_layers("ztf", None, (), {})
    assert [line.name for line in list_settings(layers, "logs")] == ["logs.format"]
    assert [line.name for line in list_settings(layers, "kafka.user")] == ["kafka.user"]
    assert [line.name for line in list_settings(layers, "survey")] == ["survey"]
    with pytest.raises(UsageError, match=r"no setting or section kafka\.usr; sections: survey, "):
        list_settings(layers, "kafka.usr")


def test_the_command_prints_a_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "ingest", "--survey", "elasticc"]) == 0
    titles, *lines = capsys.readouterr().out.splitlines()
    assert titles.split() == ["name", "value", "origin", "meaning"]
    assert lines[0].split()[:3] == ["ingest.framing", "bare", "conf/elasticc.toml"]
    assert main(["settings", "logs.format", "--format", "json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["name"], line["value"], line["origin"]) == (
        "logs.format",
        "text",
        "conf/nightjar.toml",
    )


def test_a_wrong_setting_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--set", "kafka.sevrers=x"]) == 2
    assert "did you mean kafka.servers?" in capsys.readouterr().err
