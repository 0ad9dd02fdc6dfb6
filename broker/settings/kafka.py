"""Section ``[kafka]`` of the settings: clusters, topics, and who we are to them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from broker.errors import SettingsError
from broker.settings.login import (
    Login,
    Secret,
    SecurityProtocol,
    check_certificates,
    from_environment,
    from_file,
    read_password,
)
from broker.settings.section import ENV_PREFIX, Section

TOPIC_CHARACTERS = "[A-Za-z0-9._-]"
"""Characters that Kafka takes in a topic's name."""


class KafkaSettings(Section):
    """Kafka clusters and topics, and who we are to them."""

    servers: str = Field(min_length=1, description="host:port[,host:port…] of the input cluster")
    input_topic: str = Field(description="a topic, or a Java regular expression of topics")
    security_protocol: SecurityProtocol = Field(
        "PLAINTEXT", description="SSL: TLS; SASL: user and password, by SCRAM-SHA-512"
    )
    user: str = ""
    password: SecretStr = Field(SecretStr(""), description="from the environment only")
    password_file: Path | None = Field(None, description="holds the password instead")
    ca_file: Path | None = Field(
        None, description="PEM certificates that vouch for the servers; none: the system's"
    )
    output_servers: str = Field("", description="empty: the same as `servers`")
    output_prefix: str = Field(
        "nightjar",
        # A topic's name has at most 249 characters: this leaves room for a survey and a filter.
        pattern=f"^{TOPIC_CHARACTERS}{{1,80}}$",
        description="topics are <prefix>_<survey>_<filter>",
    )
    output_security_protocol: SecurityProtocol | None = Field(
        None, description="none: protocol, user, password and certificates as for `servers`"
    )
    output_user: str = ""
    output_password: SecretStr = Field(SecretStr(""), description="from the environment only")
    output_password_file: Path | None = None
    output_ca_file: Path | None = None

    @model_validator(mode="after")
    def _logins_make_sense(self) -> KafkaSettings:
        self._check_login("")
        self._check_login("output_")
        return self

    def client_options(self) -> dict[str, str]:
        """Options that every confluent-kafka client of the input cluster starts from.

        Raises
        ------
        SettingsError
            There is no password, or a file cannot be read.
        """
        return {"bootstrap.servers": self.servers} | self._login("").client_options()

    def output_options(self) -> dict[str, str]:
        """The same for the cluster that filtered alerts go to."""
        own = "" if self.output_security_protocol is None else "output_"
        servers = self.output_servers or self.servers
        return {"bootstrap.servers": servers} | self._login(own).client_options()

    def spark_options(self) -> dict[str, str]:
        """Options of Spark's Kafka source for the input cluster."""
        return {"kafka.bootstrap.servers": self.servers} | self._login("").spark_options()

    def _login(self, which: str) -> Login:
        """What the input cluster (``""``) or the output cluster (``output_``) wants to know."""
        protocol = getattr(self, f"{which}security_protocol")
        user, ca_file = getattr(self, f"{which}user"), getattr(self, f"{which}ca_file")
        if ca_file is not None:
            check_certificates(ca_file, f"kafka.{which}ca_file")
        password, source = self._password(which) if user else (Secret(), "")
        return Login(protocol, user, password, ca_file, source)

    def _password(self, which: str) -> tuple[Secret, str]:
        """The password, and where Java clients find it."""
        path = getattr(self, f"{which}password_file")
        if path is not None:
            return read_password(path, f"kafka.{which}password_file"), from_file(path)
        variable = f"{ENV_PREFIX}KAFKA__{which.upper()}PASSWORD"
        password = getattr(self, f"{which}password").get_secret_value()
        if not password:
            raise SettingsError(
                f"there is no password for the Kafka user {getattr(self, f'{which}user')}; set "
                f"kafka.{which}password_file, or the environment variable {variable}"
            )
        return Secret(password), from_environment(variable)

    def _check_login(self, which: str) -> None:
        """Refuse what contradicts itself; a password that lacks is found when it is wanted."""
        given_protocol = getattr(self, f"{which}security_protocol")
        protocol = given_protocol or "PLAINTEXT"
        named = f"kafka.{which}security_protocol = {given_protocol or '(not set)'}"
        given = {
            key: bool(value.get_secret_value() if isinstance(value, SecretStr) else value)
            for key in ("user", "password", "password_file", "ca_file")
            for value in [getattr(self, f"{which}{key}")]
        }
        wrong = [f"kafka.{which}{key}" for key, is_given in given.items() if is_given]
        if protocol.startswith("SASL_"):
            if not given["user"]:
                raise ValueError(f"{named} wants a user: set kafka.{which}user")
        elif given["user"] or given["password"] or given["password_file"]:
            raise ValueError(
                f"{named} has no users, but {' and '.join(wrong)} is set; did you mean SASL_SSL?"
            )
        if given["ca_file"] and not protocol.endswith("SSL"):
            raise ValueError(f"{named} has no certificates, but kafka.{which}ca_file is set")
        if given["password"] and given["password_file"]:
            raise ValueError(
                f"the environment has a password, and kafka.{which}password_file names a file "
                "with one; leave one of them out"
            )
