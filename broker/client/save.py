"""Folder of alerts as files, each a container that any Avro reader opens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from broker.client.alert import Alert
from broker.client.identity import alert_id_of, object_id_of
from broker.errors import UsageError
from broker.packets.framing import encode

NameBy = Literal["alert", "object"]


class AlertFolder:
    """A folder with one file per alert; nothing in it is ever overwritten.

    Parameters
    ----------
    folder
        Made if it is not there.
    name_by
        ``alert``: ``<alert id>.avro``. ``object``: ``<object id>.avro``, for further alerts of
        the object ``<object id>_<alert id>.avro``.
    """

    def __init__(self, folder: Path, name_by: NameBy = "alert") -> None:
        self._folder = folder
        self._name_by = name_by
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot save in {folder}: {error.strerror}") from None

    def save(self, alert: Alert) -> Path:
        """Write an alert, unless the very same is there already, and return its file."""
        value = _as_container(alert)
        path = self._free_path(alert, value)
        if not path.exists():
            path.write_bytes(value)
        return path

    def _free_path(self, alert: Alert, value: bytes) -> Path:
        """First name that nobody has, or that this very alert has."""
        names = self._names(alert)
        stems = [*names, *(f"{names[-1]}_{number}" for number in range(2, 1000))]
        for stem in stems:
            path = self._folder / f"{stem}.avro"
            if not path.exists() or path.read_bytes() == value:
                return path
        raise UsageError(f"{self._folder} holds 1000 different alerts named {names[-1]}")

    def _names(self, alert: Alert) -> list[str]:
        alert_id = _file_name(alert_id_of(alert) or alert.received.origin)
        object_id = object_id_of(alert)
        if self._name_by == "object" and object_id is not None:
            return [_file_name(object_id), f"{_file_name(object_id)}_{alert_id}"]
        return [alert_id]


def _as_container(alert: Alert) -> bytes:
    packet = alert.received.packet
    if packet.framing == "container":
        return alert.received.value
    return encode(packet.record, packet.schema, "container")


def _file_name(text: str) -> str:
    """Ids come from a stranger: no folders, no hidden files."""
    return re.sub(r"[^\w.+-]+", "_", text).lstrip(".") or "_"
