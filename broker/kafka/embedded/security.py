"""Security of the embedded Kafka: certificates, users, and what each of them may do.

Everything that it generates is in one folder, which only its owner may read::

    ca.pem                      what clients trust
    {admin,writer,reader}.toml  settings of a client: --conf …/reader.toml
    {admin,writer,reader}.password
    keystore.password, ca.p12, server.p12
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from broker.errors import FatalError, SettingsError
from broker.kafka.embedded.host import HOST, java_program
from broker.kafka.topic_names import common_prefix, is_pattern
from broker.settings.login import Login, jaas_quoted, read_password

ADMIN, WRITER, READER = "admin", "writer", "reader"
USERS = (ADMIN, WRITER, READER)
ANYONE = "ANONYMOUS"
"""Kafka's name for whoever comes by the open listener."""
OPEN_GROUPS = "open-"
_OURS = "nightjar-"
"""Beginning of our transactional ids, and of the groups that our readers name but never join."""
_SPARK_GROUPS = "spark-kafka-source-"
_ANSWER_SECONDS = 30.0
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@dataclass(frozen=True)
class Security:
    """A secure Kafka's certificates and users.

    Parameters
    ----------
    folder
        Where they are; made when first needed.
    input_topic
        The writer may read it, and the simulator, as the writer, write it.
    output_prefix
        The writer may write topics that begin so, and the reader read them.
    open_port
        Whoever comes by this port may read those too, without TLS and password, and do nothing
        else; none: there is no such port.
    """

    folder: Path
    input_topic: str
    output_prefix: str
    open_port: int | None = None

    @property
    def ca_file(self) -> Path:
        """Certificate that clients trust."""
        return self.folder / "ca.pem"

    def settings_file(self, user: str) -> Path:
        """Settings of a client that comes as a user."""
        return self.folder / f"{user}.toml"

    def password_file(self, user: str) -> Path:
        """Where a user's password is."""
        return self.folder / f"{user}.password"

    def login(self, user: str) -> Login:
        """What a client that comes as a user has to show."""
        password = read_password(self.password_file(user), "kafka.password_file")
        return Login("SASL_SSL", user, password, self.ca_file)

    # --- files ---------------------------------------------------------------------------------

    def prepare(self, servers: str) -> None:
        """Make whatever is not there yet, and the clients' settings for this address."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (*USERS, "keystore"):
            path = self.password_file(name)
            if not path.exists():
                write_privately(path, secrets.token_urlsafe(24))
        if not (self.folder / "server.p12").exists():
            self._make_certificates()
        for user in USERS:
            lines = {
                "servers": servers,
                "output_prefix": self.output_prefix,
                "security_protocol": "SASL_SSL",
                "user": user,
                "password_file": self.password_file(user).name,
                "ca_file": self.ca_file.name,
            }
            text = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
            self.settings_file(user).write_text(f"[kafka]\n{text}")

    def _make_certificates(self) -> None:
        """A certificate authority of our own, and a certificate of it for this machine."""
        ca, server = self.folder / "ca.p12", self.folder / "server.p12"
        for path in (ca, server, self.ca_file):
            path.unlink(missing_ok=True)  # of a start that was broken off
        key = ("-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", *self._store("", ca))
        rights = ("-ext", "bc:c", "-ext", "ku:c=keyCertSign,cRLSign", "-validity", "3650")
        names = (
            "-ext",
            f"san=dns:localhost,ip:{HOST}",
            "-ext",
            "eku=serverAuth",
            "-validity",
            "3650",
        )
        _keytool(*key, *rights, "-alias", "ca", "-dname", "CN=Nightjar trial CA")
        _keytool(*key, *names, "-alias", "server", "-signer", "ca", "-dname", f"CN={HOST}")
        _keytool("-exportcert", "-alias", "ca", "-rfc", "-file", self.ca_file, *self._store("", ca))
        stores = (*self._store("src", ca), *self._store("dest", server))
        _keytool("-importkeystore", "-srcalias", "server", *stores)

    def _store(self, which: str, path: Path) -> tuple[str | Path, ...]:
        """Words that name a key store to keytool, which takes its password from a file."""
        password = self.password_file("keystore")
        kind = (f"-{which}storetype", "PKCS12")
        return (f"-{which}keystore", path, f"-{which}storepass:file", password, *kind)

    # --- what Kafka is started with ------------------------------------------------------------

    def properties(self, port: int) -> dict[str, str]:
        """Kafka's own settings, for clients at ``port`` and the controller at the next one."""
        admin = self.login(ADMIN)
        name = f"username={jaas_quoted(ADMIN)} password={jaas_quoted(admin.password)}"
        listeners = {"SASL_SSL": port}
        if self.open_port is not None:
            listeners["PLAINTEXT"] = self.open_port
        addresses = ",".join(f"{kind}://{HOST}:{at}" for kind, at in listeners.items())
        return {
            "listeners": f"{addresses},CONTROLLER://{HOST}:{port + 1}",
            "advertised.listeners": addresses,
            "listener.security.protocol.map": (
                "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"
            ),
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            # The controller knows the SCRAM users, so it cannot ask for one to begin with.
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required {name};",
            "listener.name.controller.plain.sasl.jaas.config": (
                f"{_PLAIN} required {name} user_{ADMIN}={jaas_quoted(admin.password)};"
            ),
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": str(self.folder / "server.p12"),
            "ssl.keystore.password": read_password(self.password_file("keystore"), "keystore"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca_file),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def users(self) -> Iterator[str]:
        """The users as words of Kafka's ``StorageTool format``."""
        for user in USERS:
            password = self.login(user).password
            yield from ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")

    # --- rights --------------------------------------------------------------------------------

    def grant(self, options: Mapping[str, str]) -> None:
        """Give the users their rights; the admin has all of them by himself.

        Raises
        ------
        FatalError
            Kafka refuses.
        """
        admin = AdminClient({**options, "log_level": 0})
        answers = admin.create_acls(list(self.rights()), request_timeout=_ANSWER_SECONDS)
        try:
            for answer in answers.values():
                answer.result(_ANSWER_SECONDS)
        except KafkaException as error:
            raise FatalError(f"Kafka does not take the users' rights: {error}") from None

    def rights(self) -> Iterator[AclBinding]:
        """What each user may do; everything else is refused."""
        topic, group = ResourceType.TOPIC, ResourceType.GROUP
        exact, begins = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED
        read, write = AclOperation.READ, AclOperation.WRITE
        create, describe = AclOperation.CREATE, AclOperation.DESCRIBE_CONFIGS
        out = f"{self.output_prefix}_"
        matches = begins if is_pattern(self.input_topic) else exact
        input_topic = (topic, self._input_begins(), matches)
        for operation in (read, write, create):
            yield _right(WRITER, *input_topic, operation)
        for operation in (write, create):
            yield _right(WRITER, topic, out, begins, operation)
        yield _right(WRITER, group, _SPARK_GROUPS, begins, read)
        yield _right(WRITER, ResourceType.TRANSACTIONAL_ID, _OURS, begins, write)
        readers = {WRITER: f"{WRITER}-", READER: f"{READER}-"}
        if self.open_port is not None:
            readers[ANYONE] = OPEN_GROUPS
        for user, groups in readers.items():
            yield _right(user, topic, out, begins, read)
            yield _right(user, topic, out, begins, describe)
            yield _right(user, group, groups, begins, read)
            yield _right(user, group, _OURS, begins, read)

    def _input_begins(self) -> str:
        """The topic, or how all topics of a pattern begin: Kafka's rights know no patterns."""
        prefix = common_prefix(self.input_topic)
        if not prefix:
            raise SettingsError(
                f"kafka.input_topic = {self.input_topic}: topics that the writer may read must "
                "begin alike, since Kafka's rights know no patterns; begin it with a name"
            )
        return prefix


def _right(
    user: str, kind: ResourceType, name: str, pattern: ResourcePatternType, operation: AclOperation
) -> AclBinding:
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _keytool(*words: str | Path) -> None:
    done = subprocess.run(
        [java_program("keytool"), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise FatalError(f"keytool makes no certificate: {(done.stdout + done.stderr).strip()}")


def write_privately(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
