"""Logins to Kafka: what is refused, what each library is told, and where no secret shows."""

from __future__ import annotations

import json
import pprint
from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.settings import Settings, load_settings
from broker.settings.login import Login, Secret, jaas_quoted

PASSWORD = 'pa"ss\\ 0123'
PROVIDER = "org.apache.kafka.common.config.provider"
SASL = ("kafka.security_protocol=SASL_SSL", "kafka.user=alice")
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def load(*words: str, conf: Path | None = None, **environ: str) -> Settings:
    return load_settings("ztf", conf, words, environ)


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(CERTIFICATE)
    return path


def test_without_a_word_about_it_there_is_no_login() -> None:
    kafka = load("kafka.servers=a:1").kafka
    assert kafka.client_options() == kafka.output_options() == {"bootstrap.servers": "a:1"}
    assert kafka.spark_options() == {"kafka.bootstrap.servers": "a:1"}


def test_spark_is_told_where_the_password_is_and_not_what(ca_file: Path, tmp_path: Path) -> None:
    words = (*SASL, "kafka.servers=a:1", f"kafka.ca_file={ca_file}")
    kafka = load(*words, NIGHTJAR__KAFKA__PASSWORD="sesame").kafka
    assert kafka.spark_options() == {
        "kafka.bootstrap.servers": "a:1",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.certificates": CERTIFICATE,
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.config.providers": "env,directory",
        "kafka.config.providers.env.class": f"{PROVIDER}.EnvVarConfigProvider",
        "kafka.config.providers.directory.class": f"{PROVIDER}.DirectoryConfigProvider",
        "kafka.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required "
            'username="alice" password="${env:NIGHTJAR__KAFKA__PASSWORD}";'
        ),
    }
    secret = tmp_path / "secret"
    secret.write_text("sesame")
    from_file = load(*words, f"kafka.password_file={secret}").kafka.spark_options()
    source = f'password="${{directory:{tmp_path}:secret}}";'
    assert from_file["kafka.sasl.jaas.config"].endswith(source)


@pytest.mark.parametrize("written", ['a"b', "a\\b", "ab\n"])
def test_a_password_that_spark_cannot_look_up_is_refused(written: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(written)
    kafka = load(*SASL, f"kafka.password_file={secret}").kafka
    assert kafka.client_options()["sasl.password"] == written.strip()
    with pytest.raises(SettingsError, match="alice has a quote, a backslash or a line break"):
        kafka.spark_options()


def test_confluent_kafka_is_told_everything(ca_file: Path) -> None:
    words = ("kafka.servers=a:1", f"kafka.ca_file={ca_file}")
    kafka = load(*SASL, *words, NIGHTJAR__KAFKA__PASSWORD=PASSWORD).kafka
    assert kafka.client_options() == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(ca_file),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": PASSWORD,
    }
    assert jaas_quoted('a"b\\c') == '"a\\"b\\\\c"'


def test_the_output_cluster_has_the_same_login_unless_it_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("other\n")
    same = load(*SASL, "kafka.output_servers=b:2", NIGHTJAR__KAFKA__PASSWORD="one").kafka
    assert same.output_options() == same.client_options() | {"bootstrap.servers": "b:2"}
    words = (
        "kafka.output_security_protocol=SASL_PLAINTEXT",
        "kafka.output_user=bob",
        f"kafka.output_password_file={tmp_path / 'secret'}",
    )
    other = load("kafka.servers=a:1", *words).kafka
    assert other.client_options() == {"bootstrap.servers": "a:1"}
    assert other.output_options() == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "bob",
        "sasl.password": "other",
    }
    none = load(*SASL, "kafka.output_security_protocol=PLAINTEXT", NIGHTJAR__KAFKA__PASSWORD="x")
    assert "sasl.password" not in none.kafka.output_options()


@pytest.mark.parametrize("written", ["  spaces ' kept ", "1234", "[a]", "'quoted'"])
def test_a_password_is_taken_to_the_letter(written: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{written}\n")
    from_file = load(*SASL, f"kafka.password_file={path}").kafka
    from_environment = load(*SASL, NIGHTJAR__KAFKA__PASSWORD=written).kafka
    for kafka in (from_file, from_environment):
        assert kafka.client_options()["sasl.password"] == written


def test_a_password_file_is_found_beside_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    conf = tmp_path / "mine.toml"
    conf.write_text('[kafka]\nsecurity_protocol = "SASL_SSL"\nuser = "a"\npassword_file = "secret"')
    assert load(conf=conf).kafka.client_options()["sasl.password"] == "hidden"


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (["kafka.security_protocol=SASL_SSL"], {}, "SASL_SSL needs a user: set kafka.user"),
        (["kafka.user=a"], {}, "PLAINTEXT has no users, but kafka.user is set; did you mean"),
        (["kafka.security_protocol=SSL", "kafka.user=a"], {}, "SSL has no users"),
        ([], {"NIGHTJAR__KAFKA__PASSWORD": PASSWORD}, "but kafka.password is set"),
        (["kafka.ca_file=x"], {}, "PLAINTEXT has no certificates, but kafka.ca_file is set"),
        (
            ["kafka.security_protocol=SASL_PLAINTEXT", "kafka.user=a", "kafka.ca_file=x"],
            {},
            "SASL_PLAINTEXT has no certificates",
        ),
        (
            [*SASL, "kafka.password_file=x"],
            {"NIGHTJAR__KAFKA__PASSWORD": PASSWORD},
            "leave one of them out",
        ),
        (["kafka.output_user=a"], {}, "(not set) has no users, but kafka.output_user is set"),
        (["kafka.output_prefix=a b"], {}, "kafka.output_prefix = 'a b'"),
        (["kafka.output_prefix="], {}, "kafka.output_prefix = ''"),
        (["kafka.servers="], {}, "kafka.servers = ''"),
        (["kafka.output_security_protocol=SASL_SSL"], {}, "set kafka.output_user"),
        (["kafka.security_protocol=TLS"], {}, "kafka.security_protocol = 'TLS'"),
    ],
)
def test_what_contradicts_itself_is_refused_when_settings_are_read(
    words: list[str], environ: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(*words, **environ)
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_what_lacks_is_named_when_it_is_wanted(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    absent = tmp_path / "absent"
    tls = "kafka.security_protocol=SSL"
    for words, said in (
        (SASL, "kafka.password_file, or the environment variable NIGHTJAR__KAFKA__PASSWORD"),
        ((*SASL, f"kafka.password_file={empty}"), "the file is empty"),
        ((*SASL, f"kafka.password_file={absent}"), "cannot be read: No such file"),
        ((tls, f"kafka.ca_file={empty}"), "holds no certificate"),
        ((tls, f"kafka.ca_file={absent}"), "cannot be read: No such file"),
    ):
        with pytest.raises(SettingsError) as caught:
            load(*words).kafka.client_options()
        assert said in str(caught.value)


@pytest.mark.parametrize(
    "key", ["kafka.password", "kafka.output_password", "password", "k.Password"]
)
def test_no_secret_on_the_command_line(key: str) -> None:
    with pytest.raises(SettingsError, match="cannot be given here") as caught:
        load(f"{key}={PASSWORD}")
    assert PASSWORD not in str(caught.value)


def test_no_secret_in_a_settings_file(tmp_path: Path) -> None:
    conf = tmp_path / "mine.toml"
    conf.write_text("[kafka]\npassword = 'hush'")
    with pytest.raises(
        SettingsError, match=r"mine.toml: kafka.password .*kafka.password_file"
    ) as caught:
        load(conf=conf)
    assert "hush" not in str(caught.value)


def test_secrets_hide_wherever_an_object_is_shown() -> None:
    settings = load(*SASL, NIGHTJAR__KAFKA__PASSWORD=PASSWORD)
    login = Login("SASL_SSL", "alice", Secret(PASSWORD), None)
    options = {**settings.kafka.client_options(), "more": 1}
    for shown in (
        repr(settings),
        str(settings),
        pprint.pformat(settings),
        settings.model_dump_json(),
        json.dumps(settings.model_dump(mode="json")),
        repr(login),
        repr(options),
        f"{[options]}",
    ):
        assert PASSWORD not in shown
        assert "0123" not in shown
    assert options["sasl.password"] == PASSWORD
