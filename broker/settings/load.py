"""Typed settings, layered from files, the environment and the command line.

``conf/nightjar.toml`` ← ``conf/<survey>.toml`` ← ``--conf FILE`` ←
``NIGHTJAR__SECTION__KEY`` ← ``--set section.key=value``; a later layer wins key by key. Passwords
come from the environment alone, or from files that settings name.
Relative paths in the shipped files start at the checkout, all others at the current directory.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from broker.errors import SettingsError
from broker.settings.paths import CONF_FOLDER, PROJECT_ROOT
from broker.settings.section import ENV_PREFIX, Section
from broker.settings.sections import Settings

# Keys that hold a path, by section.
_PATH_KEYS = {
    "storage": ("root",),
    "kafka": ("password_file", "ca_file", "output_password_file", "output_ca_file"),
    "ingest": ("schema",),
    "science": ("folder",),
    "filters": ("folder",),
    "simulator": ("source", "schema"),
    "embedded_kafka": ("folder", "properties_file"),
}


def load_settings(
    survey: str,
    conf: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Read the layers and check every key and value.

    Parameters
    ----------
    survey
        Name of a survey with a file ``conf/<survey>.toml``.
    conf
        A further TOML file.
    overrides
        ``section.key=value`` words of ``--set``; the value is TOML, or else a plain string.

    Raises
    ------
    SettingsError
        A file, key or value cannot be used; unknown keys come with the nearest known one.
    """
    layers: list[dict[str, Any]] = [
        _absolute(_read_toml(CONF_FOLDER / "nightjar.toml"), PROJECT_ROOT),
        _absolute(_read_toml(_survey_file(survey)), PROJECT_ROOT),
    ]
    if conf is not None:
        layers.append(_absolute(_without_secrets(_read_toml(conf), conf), conf.resolve().parent))
    layers.append(_absolute(_from_environment(environ), Path.cwd()))
    layers.extend(_absolute(_from_override(word), Path.cwd()) for word in overrides)
    merged: dict[str, Any] = {"survey": survey}
    for layer in layers:
        _merge(merged, layer)
    if merged["survey"] != survey:
        raise SettingsError(
            f"{conf} is for survey {merged['survey']!r}, and this is {survey!r}; give --survey "
            f"{merged['survey']}, or another file"
        )
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item) for item in error.errors())) from None


def _survey_file(survey: str) -> Path:
    path = CONF_FOLDER / f"{survey}.toml"
    if not path.is_file():
        known = sorted(p.stem for p in CONF_FOLDER.glob("*.toml") if p.stem != "nightjar")
        raise SettingsError(f"unknown survey {survey!r}; known: {', '.join(known)}")
    return path


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _without_secrets(layer: dict[str, Any], path: Path) -> dict[str, Any]:
    """Refuse secrets in a file of settings, which people pass on."""
    for section, values in layer.items():
        for key in values if isinstance(values, dict) else ():
            if _annotation(section, key) is SecretStr:
                raise _misplaced_secret(str(path), section, key)
    return layer


def _misplaced_secret(where: str, section: str, key: str) -> SettingsError:
    return SettingsError(
        f"{where}: {section}.{key} cannot be given here, where others see it; set the environment "
        f"variable {ENV_PREFIX}{section.upper()}__{key.upper()}, or name a file that holds it in "
        f"{section}.{key}_file"
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX):
            path = name.removeprefix(ENV_PREFIX).lower().split("__")
            _merge(layer, _nested(path, environ[name], f"environment variable {name}"))
    return layer


def _from_override(word: str) -> dict[str, Any]:
    path, equals, value = word.partition("=")
    if not equals:
        raise SettingsError(f"--set {word}: expected section.key=value")
    section, _, key = path.strip().rpartition(".")
    if key.lower().endswith("password"):
        raise _misplaced_secret(f"--set {path}", section, key)
    return _nested(path.strip().split("."), value.strip(), f"--set {word}")


def _nested(path: list[str], value: str, origin: str) -> dict[str, Any]:
    if len(path) != 2 or not all(path):
        raise SettingsError(f"{origin}: expected one section and one key")
    section, key = path
    return {section: {key: _toml_value(section, key, value)}}


def _toml_value(section: str, key: str, text: str) -> Any:
    """Read ``text`` as a TOML value; what is none, and every text and path, is text."""
    wanted = _annotation(section, key)
    if wanted is SecretStr:
        return text
    if wanted is str or key in _PATH_KEYS.get(section, ()):
        return text.strip("\"'")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _annotation(section: str, key: str) -> Any:
    """Type of a setting, if there is such a one."""
    model = _section_model(section)
    field = model.model_fields.get(key) if model else None
    return field.annotation if field else None


def _section_model(section: str) -> type[Section] | None:
    field = Settings.model_fields.get(section)
    annotation = field.annotation if field else None
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return None


def _merge(target: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


def _absolute(layer: dict[str, Any], base: Path) -> dict[str, Any]:
    for section, keys in _PATH_KEYS.items():
        values = layer.get(section)
        if not isinstance(values, dict):
            continue
        for key in keys:
            value = values.get(key)
            if isinstance(value, str) and value and not urlsplit(value).scheme:
                values[key] = str(base / Path(value).expanduser())
    return layer


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    name = ".".join(path)
    if item["type"] == "extra_forbidden":
        return f"unknown setting {name}{_nearest(path)}"
    if item["type"] == "missing":
        return f"setting {name} is required; give it in a --conf file or as --set {name}=…"
    message: str = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], Mapping):  # a whole section, whose message names its settings
        return message
    return f"setting {name} = {item['input']!r}: {message}"


def _nearest(path: list[str]) -> str:
    if len(path) == 1:
        known = [name for name in Settings.model_fields if name != "survey"]
    else:
        model = _section_model(path[0])
        known = [f.alias or name for name, f in model.model_fields.items()] if model else []
    close = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    prefix = "".join(f"{part}." for part in path[:-1])
    return f"; did you mean {prefix}{close[0]}?" if close else f"; known: {', '.join(known)}"
