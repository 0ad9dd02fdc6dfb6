"""Layers of settings: what a file, an environment variable or ``--set`` gives, with its origin."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from broker.errors import SettingsError
from broker.settings.paths import CONF_FOLDER, DATA_BASE, PROJECT_ROOT
from broker.settings.section import ENV_PREFIX, Section
from broker.settings.sections import Settings

SURVEY = "survey"
"""The one key outside of all sections."""


@dataclass(frozen=True)
class Layer:
    """Values from one origin.

    Parameters
    ----------
    origin
        Name of the file, environment variable or option, for messages and ``nightjar settings``.
    values
        Section → key → value, and perhaps `SURVEY` → name.
    """

    origin: str
    values: dict[str, Any]

    @property
    def survey(self) -> str | None:
        """Survey that this layer names, if any."""
        return self.values.get(SURVEY)


def shipped_layer(name: str) -> Layer:
    """Settings of a file in ``conf/``; its relative paths start at the checkout.

    An installed program has that folder inside its package, where tables never go.
    """
    values = _read_toml(CONF_FOLDER / name)
    _absolute({key: values[key] for key in ("storage",) if key in values}, DATA_BASE)
    return Layer(f"conf/{name}", _absolute(values, PROJECT_ROOT))


def conf_layer(path: Path) -> Layer:
    """Settings of ``--conf FILE``; its relative paths start at the file's folder.

    Raises
    ------
    SettingsError
        The file cannot be read, or has a secret, which people would pass on with it.
    """
    values = _read_toml(path)
    for section, keys in values.items():
        for key in keys if isinstance(keys, dict) else ():
            if _annotation(section, key) is SecretStr:
                raise _misplaced_secret(str(path), section, key)
    return Layer(f"--conf {path}", _absolute(values, path.resolve().parent))


def environment_layers(environ: Mapping[str, str]) -> list[Layer]:
    """One layer for each variable ``NIGHTJAR__SECTION__KEY``, and for ``NIGHTJAR__SURVEY``."""
    layers = []
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX):
            path = name.removeprefix(ENV_PREFIX).lower().split("__")
            origin = f"environment variable {name}"
            if path == [SURVEY]:
                layers.append(Layer(origin, {SURVEY: environ[name]}))
            else:
                layers.append(Layer(origin, _nested(path, environ[name], origin)))
    return layers


def override_layer(word: str) -> Layer:
    """Layer of one ``--set section.key=value``; the value is TOML, or else plain text."""
    path, equals, value = word.partition("=")
    if not equals:
        raise SettingsError(f"--set {word}: expected section.key=value")
    section, _, key = path.strip().rpartition(".")
    if key.lower().endswith("password"):
        raise _misplaced_secret(f"--set {path}", section, key)
    return Layer("--set", _nested(path.strip().split("."), value.strip(), f"--set {word}"))


def section_model(section: str) -> type[Section] | None:
    """Class of a section, if there is one of that name."""
    field = Settings.model_fields.get(section)
    annotation = field.annotation if field else None
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _misplaced_secret(where: str, section: str, key: str) -> SettingsError:
    return SettingsError(
        f"{where}: {section}.{key} cannot be given here, where others see it; set the environment "
        f"variable {ENV_PREFIX}{section.upper()}__{key.upper()}, or name a file that holds it in "
        f"{section}.{key}_file"
    )


def _nested(path: list[str], value: str, origin: str) -> dict[str, Any]:
    if len(path) != 2 or not all(path):
        raise SettingsError(f"{origin}: expected one section and one key")
    section, key = path
    return _absolute({section: {key: _value(section, key, value)}}, Path.cwd())


def _value(section: str, key: str, text: str) -> Any:
    """Read ``text`` as a TOML value; what is none, and every text and path, is text."""
    wanted = _annotation(section, key)
    if wanted is SecretStr:
        return text
    if wanted is str or _is_path(section, key):
        return text.strip("\"'")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _annotation(section: str, key: str) -> Any:
    """Type of a setting, if there is one of that name."""
    field = _field(section, key)
    return field.annotation if field else None


def _field(section: str, key: str) -> FieldInfo | None:
    model = section_model(section)
    for name, field in model.model_fields.items() if model else ():
        if key in (name, field.alias):
            return field
    return None


def _is_path(section: str, key: str) -> bool:
    # The root may be an address, so it is text.
    wanted = _annotation(section, key)
    return (section, key) == ("storage", "root") or Path in (wanted, *get_args(wanted))


def _absolute(values: dict[str, Any], base: Path) -> dict[str, Any]:
    """Make the relative paths among the values start at ``base``."""
    for section, keys in values.items():
        for key, value in keys.items() if isinstance(keys, dict) else ():
            is_local = isinstance(value, str) and value and not urlsplit(value).scheme
            if is_local and _is_path(section, key):
                keys[key] = os.fspath(base / Path(value).expanduser())
    return values
