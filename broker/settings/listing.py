"""Every setting with its value, its origin and its meaning."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from broker.errors import UsageError
from broker.settings.layers import SURVEY, Layer, section_model
from broker.settings.load import merge_layers
from broker.settings.sections import Settings

_HIDDEN = "***"


@dataclass(frozen=True)
class SettingLine:
    """One setting.

    Attributes
    ----------
    name
        ``section.key``, or ``survey``.
    value
        As ``--set`` takes it; empty where it is not set, ``***`` for a secret.
    origin
        File, environment variable or option that gives it; else ``default``.
    meaning
        A sentence.
    """

    name: str
    value: str
    origin: str
    meaning: str


def list_settings(layers: Sequence[Layer], name: str = "") -> list[SettingLine]:
    """Settings of all layers: all of them, a section's, or one.

    Parameters
    ----------
    layers
        As `read_layers` returns them.
    name
        ``section``, ``section.key`` or ``survey``; empty: all.

    Raises
    ------
    SettingsError
        A key or value cannot be used.
    UsageError
        There is no setting or section of that name.
    """
    lines = list(_lines(merge_layers(layers), layers))
    found = [line for line in lines if not name or f"{line.name}.".startswith(f"{name}.")]
    if not found:
        sections = dict.fromkeys(line.name.partition(".")[0] for line in lines)
        raise UsageError(f"there is no setting or section {name}; sections: {', '.join(sections)}")
    return found


def meaning_of(section: str) -> str:
    """First paragraph of a section's description, as one line."""
    text = inspect.getdoc(section_model(section)) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _lines(settings: Settings, layers: Sequence[Layer]) -> Iterator[SettingLine]:
    for section, field in Settings.model_fields.items():
        inner = section_model(section)
        if inner is None:
            meaning = field.description or ""
            yield SettingLine(section, settings.survey, _origin(layers, SURVEY), meaning)
            continue
        values = getattr(settings, section)
        for attribute, item in inner.model_fields.items():
            names = {attribute, item.alias or attribute}
            shown = _shown(getattr(values, attribute))
            origin = _origin(layers, section, *names)
            key = item.alias or attribute
            yield SettingLine(f"{section}.{key}", shown, origin, item.description or "")


def _origin(layers: Sequence[Layer], section: str, *keys: str) -> str:
    """Origin of the last layer that gives a setting."""
    for layer in reversed(layers):
        values = layer.values.get(section)
        if values is not None and (not keys or any(key in values for key in keys)):
            return layer.origin
    return "default"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return _HIDDEN if value.get_secret_value() else ""
    if isinstance(value, str | Path):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
