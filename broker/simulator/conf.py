"""Configuration files of fink-alert-simulator: shell variables, one ``KEY=VALUE`` a line.

That tool sources the file in bash, so comments, quotes, ``export`` and ``${VARIABLES}``, also of
the environment, mean here what they mean there. Nothing in the file is ever run.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.errors import SettingsError
from broker.nearest import did_you_mean

# That tool's keys and the settings that they are here.
SETTINGS = {
    "KAFKA_IPPORT": "kafka.servers",
    "KAFKA_TOPIC": "simulator.topic",
    "FINK_DATA_SIM": "simulator.source",
    "DISPLAY_FIELD": "simulator.display",
    "NALERTS_PER_OBS": "simulator.alerts_per_observation",
    "NOBSERVATIONS": "simulator.observations",
    "TIME_INTERVAL": "simulator.interval_seconds",
    "EXTERNAL_SCHEMA": "simulator.schema",
    "NPARTITIONS": "simulator.partitions",
}
# Keys that only serve its Docker mode.
UNUSED = ("KAFKA_PORT", "KAFKA_PORT_SIM", "KAFKA_IPPORT_SIM", "KAFKA_TOPIC_SIM")
REQUIRED = ("KAFKA_TOPIC", "FINK_DATA_SIM")

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")


@dataclass(frozen=True)
class FinkConf:
    """Settings read from a file of fink-alert-simulator.

    Parameters
    ----------
    overrides
        ``section.key=value`` words, as ``--set`` takes them.
    notes
        What the file has and Nightjar does not use, in sentences.
    """

    overrides: tuple[str, ...]
    notes: tuple[str, ...]


def read_fink_conf(path: Path, environ: Mapping[str, str] = os.environ) -> FinkConf:
    """Read a fink-alert-simulator file.

    Raises
    ------
    SettingsError
        The file cannot be read, a line is not ``KEY=VALUE``, a variable is not set, a key is
        unknown (the nearest known one is named) or one that is needed is missing.
    """
    values, used = _parse(path, environ)
    notes = [_note(key, path) for key in values if key not in SETTINGS and key not in used]
    if not values.get("KAFKA_IPPORT") and values.get("KAFKA_IPPORT_SIM"):
        values["KAFKA_IPPORT"] = values["KAFKA_IPPORT_SIM"]
        notes.append(f"KAFKA_IPPORT is empty; using KAFKA_IPPORT_SIM={values['KAFKA_IPPORT']}")
    for key in REQUIRED:
        if not values.get(key):
            raise SettingsError(f"{path}: {key} is missing or empty")
    given = {key: value for key, value in values.items() if not _is_none(value)}
    words = [f"{setting}={given[key]}" for key, setting in SETTINGS.items() if key in given]
    # That tool writes every alert as a bare datum, whatever form its file has.
    return FinkConf(("simulator.framing=bare", *words), tuple(notes))


def _parse(path: Path, environ: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
    """Values by key, and the names that other values refer to."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the configuration {path}: {error}") from None
    values: dict[str, str] = {}
    used: set[str] = set()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(text)
        if match is None:
            raise SettingsError(
                f"{path} line {number}: {text!r} is not KEY=VALUE (no spaces round the =)"
            )
        place = f"{path} line {number}"
        values[match[1]] = _value(match[2], place, {**environ, **values}, used)
    return values, used


def _value(raw: str, place: str, known: Mapping[str, str], used: set[str]) -> str:
    try:
        words = shlex.split(raw, comments=True)
    except ValueError as error:
        raise SettingsError(f"{place}: {error} in {raw!r}") from None
    if len(words) > 1:
        raise SettingsError(f"{place}: {raw!r} is more than one word; put it in quotes")
    text = words[0] if words else ""
    return text if raw.startswith("'") else _expand(text, place, known, used)


def _expand(text: str, place: str, known: Mapping[str, str], used: set[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        used.add(name)
        if match[2] is not None:
            return known.get(name) or match[2]
        if name not in known:
            raise SettingsError(
                f"{place}: the variable {name} is not set; set it in the file or the environment"
            )
        return known[name]

    return _VARIABLE.sub(replace, text)


def _note(key: str, path: Path) -> str:
    if key in UNUSED:
        return f"{key} in {path} is for that tool's Docker mode and not used here"
    hint = did_you_mean(key.upper(), [*SETTINGS, *UNUSED])
    raise SettingsError(f"{path}: unknown key {key}; {hint}")


def _is_none(value: str) -> bool:
    return value in ("", "None")
