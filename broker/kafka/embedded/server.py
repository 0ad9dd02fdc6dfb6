"""One real Kafka node on this machine: KRaft, loopback only, from the jars of conf/ivy.xml.

A broker is its folder::

    data/               the topics; they outlive every stop
    server.properties   written at each start from conf/kafka/server.properties
    server.log          Kafka's own log
    console.log         what the JVM itself had to say
    secure/             of a secure one: certificates, users (`broker.kafka.embedded.security`)
    server.json         process id and port of the running broker
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from broker.deadline import Deadline
from broker.errors import FatalError, SettingsError, UsageError
from broker.kafka.cluster import KafkaCluster
from broker.kafka.embedded.host import HOST, command_line, free_port, java_command, port_is_free
from broker.kafka.embedded.security import ADMIN, Security, write_privately
from broker.settings import CONF_FOLDER

TEMPLATE = CONF_FOLDER / "kafka" / "server.properties"
LOG_SETTINGS = CONF_FOLDER / "kafka" / "log4j2.properties"
START_SECONDS = 120.0
STOP_SECONDS = 60.0
TAIL_LINES = 15
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Status:
    """What is known about a broker: its process, if one runs, and where it listens."""

    pid: int | None
    port: int
    answers: bool

    @property
    def servers(self) -> str:
        """Address for ``bootstrap.servers``."""
        return f"{HOST}:{self.port}"


class EmbeddedKafka:
    """A single-node Kafka whose topics live in a folder.

    Parameters
    ----------
    folder
        Made when it does not exist; the same folder later means the same topics.
    port
        For clients, on loopback. The controller listens on ``port + 1``.
    properties
        Kafka's own settings, over those of the template and of the file.
    properties_file
        The same as a file.
    security
        Makes it a secure one; a folder is either always used with it, or never.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        properties: Mapping[str, str] | None = None,
        properties_file: Path | None = None,
        security: Security | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.port = port
        self.properties = dict(properties or {})
        self.properties_file = properties_file
        self.security = security
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def servers(self) -> str:
        """Address for ``bootstrap.servers``."""
        return f"{HOST}:{self.port}"

    @property
    def log_file(self) -> Path:
        """Where Kafka logs."""
        return self.folder / "server.log"

    @property
    def properties_path(self) -> Path:
        """Where the running broker's settings are; also what its process is known by."""
        return self.folder / "server.properties"

    def client_options(self) -> dict[str, str]:
        """Options that a confluent-kafka client of this broker, who may do all, starts from."""
        login = self.security.login(ADMIN).client_options() if self.security is not None else {}
        return {"bootstrap.servers": self.servers} | login

    def status(self) -> Status:
        """Look whether this folder's broker runs, at whatever port, and answers."""
        pid, port = self._running()
        if pid is None:
            return Status(None, self.port, False)
        return Status(pid, port, _answers({**self.client_options(), **_servers(port)}))

    def start(self) -> bool:
        """Start the broker and wait until it answers; the process outlives this one.

        Returns
        -------
        bool
            False when it ran already.

        Raises
        ------
        UsageError
            The port is taken, or the folder's broker runs at another port.
        FatalError
            The broker died or does not answer; the message ends with its last words.
        """
        with self._lock():
            pid, port = self._running()
            if pid is not None:
                self._refuse_other_port(port)
                return False
            self._refuse_taken_ports()
            if self.security is not None:
                self._refuse_topics_without_users(self.security)
                self.security.prepare(self.servers)
            self._write_properties()
            self._format()
            self._launch()
            self._wait_until_it_answers()
            if self.security is not None:
                self.security.grant(self.client_options())
        return True

    def stop(self) -> bool:
        """Stop the broker cleanly and wait until it is gone.

        Returns
        -------
        bool
            False when none ran.

        Raises
        ------
        FatalError
            It is still there after a minute.
        """
        with self._lock():
            pid, port = self._running()
            if pid is None:
                return False
            self._terminate(pid, port)
            self._state_path.unlink(missing_ok=True)
        return True

    # --- the process ---------------------------------------------------------------------------

    @property
    def _state_path(self) -> Path:
        return self.folder / "server.json"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let two starts, or a start and a stop, wait for each other."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise SettingsError(
                f"Kafka cannot write to its folder {self.folder} ({error.strerror}); give another "
                "with --dir or embedded_kafka.folder"
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _running(self) -> tuple[int | None, int]:
        """Process id and port of this folder's broker.

        The stored process id may long belong to another program, so the process must have been
        started with this folder's settings.
        """
        try:
            state = json.loads(self._state_path.read_text())
            pid, port = int(state["pid"]), int(state["port"])
        except (FileNotFoundError, ValueError, KeyError):
            return None, self.port
        if self._process is not None and self._process.pid == pid:
            self._process.poll()  # a dead child stays in the process table until somebody asks
        is_ours = str(self.properties_path) in command_line(pid)
        return (pid, port) if is_ours else (None, self.port)

    def _launch(self) -> None:
        command = [
            *java_command("-Xmx640m", "-XX:+ExitOnOutOfMemoryError"),
            f"-Dlog4j2.configurationFile={LOG_SETTINGS}",
            f"-Dnightjar.kafka.folder={self.folder}",
            "kafka.Kafka",
            str(self.properties_path),
        ]
        self._log_start = _size(self.log_file)
        with (self.folder / "console.log").open("wb") as console:
            # A session of its own: it outlives the terminal and holds none of the caller's pipes.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        state = {"pid": self._process.pid, "port": self.port}
        self._state_path.write_text(json.dumps(state))

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = Deadline(START_SECONDS)
        while self._process.poll() is None:
            if _answers(self.client_options()):
                return
            if deadline.has_passed:
                self._terminate(self._process.pid, self.port)
                raise FatalError(
                    f"Kafka does not answer at {self.servers} after {START_SECONDS:.0f} s; "
                    f"stopped it again. {self._last_words()}"
                )
            time.sleep(0.2)
        raise FatalError(
            f"Kafka died while it started (exit code {self._process.returncode}). "
            f"{self._last_words()}"
        )

    def _terminate(self, pid: int, port: int) -> None:
        os.kill(pid, signal.SIGTERM)
        deadline = Deadline(STOP_SECONDS)
        # A JVM loses its command line a little before its ports.
        while self._running()[0] is not None or not port_is_free(port):
            if deadline.has_passed:
                raise FatalError(
                    f"Kafka (process {pid}) is still stopping after {STOP_SECONDS:.0f} s; look "
                    f"into {self.log_file}, and if nothing moves there: kill -9 {pid}"
                )
            time.sleep(0.1)

    def _last_words(self) -> str:
        lines = [*_tail(self.folder / "console.log"), *_tail(self.log_file, self._log_start)]
        words = "\n".join(f"    {line}" for line in lines)
        return f"The end of {self.log_file}:\n{words}"

    # --- what it is started with ---------------------------------------------------------------

    def _refuse_other_port(self, port: int) -> None:
        if port != self.port:
            raise UsageError(
                f"the Kafka of {self.folder} runs already, at port {port}; stop it first "
                "(`nightjar kafka stop`), or give a second one a folder of its own with --dir"
            )

    def _refuse_taken_ports(self) -> None:
        ports = {self.port: "", self.port + 1: " (for Kafka's controller)"}
        if self.security is not None and self.security.open_port is not None:
            if self.security.open_port in ports:
                raise SettingsError(
                    f"embedded_kafka.open_port = {self.security.open_port} is one of Kafka's own "
                    f"ports, {self.port} and {self.port + 1}"
                )
            ports[self.security.open_port] = " (embedded_kafka.open_port)"
        for port, purpose in ports.items():
            if not port_is_free(port):
                raise UsageError(
                    f"port {port}{purpose} is taken by another program; choose another pair with "
                    f"`nightjar kafka start --port {free_port()}` or `port` in section "
                    "[embedded_kafka] of conf/nightjar.toml, and give clients the same address "
                    "in kafka.servers"
                )

    def _refuse_topics_without_users(self, security: Security) -> None:
        if self._is_formatted() and not security.folder.exists():
            raise UsageError(
                f"the topics of {self.folder} were made without --secure and have no users; give "
                "the secure Kafka a folder of its own with --dir"
            )

    def _write_properties(self) -> None:
        lines = {
            "listeners": f"PLAINTEXT://{self.servers},CONTROLLER://{HOST}:{self.port + 1}",
            "advertised.listeners": f"PLAINTEXT://{self.servers}",
            "controller.quorum.voters": f"1@{HOST}:{self.port + 1}",
            "log.dirs": str(self.folder / "data"),
        }
        if self.security is not None:
            lines |= self.security.properties(self.port)
        parts = [
            TEMPLATE.read_text(),
            _as_properties(lines),
            self._read_properties_file(),
            _as_properties(self.properties),
        ]
        write_privately(self.properties_path, "\n".join(parts))  # a secure one's has passwords

    def _read_properties_file(self) -> str:
        if self.properties_file is None:
            return ""
        try:
            return self.properties_file.read_text()
        except OSError as error:
            raise SettingsError(
                f"embedded_kafka.properties_file {self.properties_file} cannot be read "
                f"({error.strerror}); give the path of a Kafka properties file, or leave it out"
            ) from None

    def _is_formatted(self) -> bool:
        return (self.folder / "data" / "meta.properties").exists()

    def _format(self) -> None:
        """Give a new folder its cluster id; a folder that has one keeps it and its topics."""
        if self._is_formatted():
            return
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        words = [
            f"-Dlog4j2.configurationFile={LOG_SETTINGS}",
            f"-Dnightjar.kafka.folder={self.folder}",
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            # One word: an id may begin with a dash, which as a word of its own is an option.
            *(f"--cluster-id={cluster_id}", "-c", str(self.properties_path)),
            *(self.security.users() if self.security is not None else ()),
        ]
        # Everybody on the machine sees the words of a command, but not what is in a private file.
        arguments = self.folder / "format.arguments"
        write_privately(arguments, "\n".join(_as_java_argument(word) for word in words))
        try:
            done = subprocess.run(
                [*java_command("-Xmx128m"), f"@{arguments}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            arguments.unlink()
        if done.returncode != 0:
            raise FatalError(
                f"Kafka cannot use the folder {self.folder / 'data'}:\n{done.stdout}{done.stderr}"
            )


def _servers(port: int) -> dict[str, str]:
    return {"bootstrap.servers": f"{HOST}:{port}"}


def _as_properties(lines: Mapping[str, str]) -> str:
    # A backslash escapes in this format.
    return "".join(f"{key}={value}\n".replace("\\", "\\\\") for key, value in lines.items())


def _as_java_argument(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _answers(options: Mapping[str, str]) -> bool:
    """Whether a broker listens and lists its topics."""
    host, _, port = options["bootstrap.servers"].partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return KafkaCluster(options, _ANSWER_SECONDS).answers()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, start: int = 0) -> list[str]:
    """Last lines of a log, of those after its first ``start`` bytes."""
    if not path.exists():
        return []
    written = path.read_bytes()
    return written[start:].decode(errors="replace").splitlines()[-TAIL_LINES:]
