"""Section ``[kafka]`` of the settings: clusters, topics, and logins."""

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
    """The clusters that alerts come from and go to, and the logins there."""

    servers: str = Field(min_length=1, description="Input cluster: host:port[,host:port…].")
    input_topic: str = Field(
        description="Topic of the survey's packets, or a Java regular expression of topics."
    )
    security_protocol: SecurityProtocol = Field(
        "PLAINTEXT",
        description="PLAINTEXT, SSL (TLS proves the server), SASL_SSL (and SCRAM-SHA-512 the user) "
        "or SASL_PLAINTEXT.",
    )
    user: str = Field("", description="User, with the protocols of SASL.")
    password: SecretStr = Field(
        SecretStr(""),
        description="Password of the user, only from the environment variable "
        "NIGHTJAR__KAFKA__PASSWORD; on a cluster, of every worker too.",
    )
    password_file: Path | None = Field(
        None, description="File with the password; on a cluster, on every worker too."
    )
    ca_file: Path | None = Field(
        None, description="PEM certificates that vouch for the servers; not set: the system's."
    )
    output_servers: str = Field(
        "", description="Cluster that filtered alerts go to; empty: the input cluster."
    )
    output_prefix: str = Field(
        "nightjar",
        # A topic's name has at most 249 characters: this leaves room for a survey and a filter.
        pattern=f"^{TOPIC_CHARACTERS}{{1,80}}$",
        description="Output topics are <prefix>_<survey>_<filter>.",
    )
    output_security_protocol: SecurityProtocol | None = Field(
        None,
        description="Protocol of the output cluster; not set: protocol, user, password and "
        "certificates of the input cluster.",
    )
    output_user: str = Field("", description="User at the output cluster.")
    output_password: SecretStr = Field(
        SecretStr(""),
        description="Password at the output cluster, only from the environment variable "
        "NIGHTJAR__KAFKA__OUTPUT_PASSWORD.",
    )
    output_password_file: Path | None = Field(
        None, description="File with the password at the output cluster."
    )
    output_ca_file: Path | None = Field(
        None, description="PEM certificates that vouch for the output servers."
    )

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
        """Options of the clients of the cluster that filtered alerts go to."""
        own = "" if self.output_security_protocol is None else "output_"
        servers = self.output_servers or self.servers
        return {"bootstrap.servers": servers} | self._login(own).client_options()

    def spark_options(self) -> dict[str, str]:
        """Options of Spark's Kafka source for the input cluster."""
        return {"kafka.bootstrap.servers": self.servers} | self._login("").spark_options()

    def _login(self, which: str) -> Login:
        """Login at the input cluster (``""``) or the output cluster (``output_``)."""
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
        """Refuse contradictions; a missing password is found when it is needed."""
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
                raise ValueError(f"{named} needs a user: set kafka.{which}user")
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
