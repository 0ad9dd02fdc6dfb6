"""Java, free ports and processes of this machine, for the embedded Kafka."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path

from broker.errors import SettingsError
from broker.settings.jars import jars

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port such that it and its successor are free just now.

    Below the range from which systems take the ports of outgoing connections, so that no client
    sits down on it before its server is up.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        if port_is_free(port) and port_is_free(port + 1):
            return port


def port_is_free(port: int) -> bool:
    """Whether nobody on this machine listens at ``port``."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def java_command(*options: str) -> list[str]:
    """Command line of a JVM with the server's jars."""
    java = java_program("java")
    return [java, *options, "-cp", f"{jars('kafka', java)}/*"]


def java_program(name: str) -> str:
    """Path of a program that comes with Java."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which(name, path=f"{home}/bin" if home else None)
    if program is None:
        where = f"in JAVA_HOME={home}" if home else "on PATH"
        raise SettingsError(f"found no {name} {where}; install Java 17 or later, or set JAVA_HOME")
    return program


def command_line(pid: int) -> str:
    """Words that a process was started with; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    words = ["ps", "-o", "command=", "-p", str(pid)]  # systems without /proc
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout
