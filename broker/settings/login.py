"""Login at a Kafka cluster, as options of confluent-kafka and of Spark's Kafka source.

The password is a `Secret`, which ``repr`` never shows, and goes only to confluent-kafka. Spark,
whose plans show every option, is told where to look it up, not what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from broker.errors import SettingsError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
_MECHANISM = "SCRAM-SHA-512"
_PROVIDERS = "org.apache.kafka.common.config.provider"
_LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


class Secret(str):
    """Text that hides where objects are shown: in ``repr``, of containers too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


@dataclass(frozen=True)
class Login:
    """Login of a client at one cluster.

    Parameters
    ----------
    protocol
        ``SSL`` proves the server; ``SASL`` proves the user, by SCRAM-SHA-512.
    user, password
        With a protocol of SASL.
    ca_file
        Certificates (PEM) that may vouch for the server; none: those of the system.
    password_source
        Where Kafka's Java clients find the password: `from_environment` or `from_file`.
    """

    protocol: SecurityProtocol
    user: str
    password: Secret
    ca_file: Path | None
    password_source: str = ""

    def client_options(self) -> dict[str, str]:
        """Options of confluent-kafka."""
        if self.protocol == "PLAINTEXT":
            return {}
        options: dict[str, str] = {"security.protocol": self.protocol}
        if self.ca_file is not None:
            options["ssl.ca.location"] = str(self.ca_file)
        if self.user:
            options["sasl.mechanism"] = _MECHANISM
            options["sasl.username"] = self.user
            options["sasl.password"] = Secret(self.password.rstrip("\r\n"))
        return options

    def spark_options(self) -> dict[str, str]:
        """Options of Spark's Kafka source and sink.

        Driver and executors look the password up themselves, so on a cluster the variable, or the
        file at the same path, must be on every worker too.

        Raises
        ------
        SettingsError
            The password has a character that ends it there.
        """
        if self.protocol == "PLAINTEXT":
            return {}
        options: dict[str, str] = {"kafka.security.protocol": self.protocol}
        if self.ca_file is not None:
            options["kafka.ssl.truststore.type"] = "PEM"
            options["kafka.ssl.truststore.certificates"] = self.ca_file.read_text()
        if self.user:
            self._refuse_unquotable()
            options |= {
                "kafka.sasl.mechanism": _MECHANISM,
                "kafka.config.providers": "env,directory",
                "kafka.config.providers.env.class": f"{_PROVIDERS}.EnvVarConfigProvider",
                "kafka.config.providers.directory.class": f"{_PROVIDERS}.DirectoryConfigProvider",
                "kafka.sasl.jaas.config": (
                    f"{_LOGIN_MODULE} required username={jaas_quoted(self.user)} "
                    f'password="{self.password_source}";'
                ),
            }
        return options

    def _refuse_unquotable(self) -> None:
        """Kafka looks the password up before it reads the quoted text around it."""
        if set(self.password) & set('"\\\r\n'):
            raise SettingsError(
                f"the password of the Kafka user {self.user} has a quote, a backslash or a line "
                "break (a file's last one counts), which Spark's Kafka source cannot take; write "
                "it without: printf %s PASSWORD > FILE"
            )


def from_environment(variable: str) -> str:
    """Where Java clients find a password that is in an environment variable."""
    return f"${{env:{variable}}}"


def from_file(path: Path) -> str:
    """Where Java clients find a password that is in a file."""
    return f"${{directory:{path.resolve().parent}:{path.name}}}"


def jaas_quoted(text: str) -> str:
    """Text as a value of a JAAS configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def read_password(path: Path, setting: str) -> Secret:
    """Password that a file holds, perhaps with a line break at its end.

    Raises
    ------
    SettingsError
        The file cannot be read, or is empty.
    """
    password = _text_of(path, setting)
    if not password.strip():
        raise SettingsError(f"{setting} = {path}: the file is empty; it is to hold the password")
    return Secret(password)


def check_certificates(path: Path, setting: str) -> None:
    """Make sure that a file holds certificates.

    Raises
    ------
    SettingsError
        The file cannot be read, or is no PEM.
    """
    if "-----BEGIN CERTIFICATE-----" not in _text_of(path, setting):
        raise SettingsError(f"{setting} = {path} holds no certificate; give a PEM file")


def _text_of(path: Path, setting: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise SettingsError(f"{setting} = {path} cannot be read: {reason}") from None
