"""Settings of one survey, layered from files, the environment and the command line.

``conf/nightjar.toml`` ← ``conf/<survey>.toml`` ← ``--conf FILE`` ←
``NIGHTJAR__SECTION__KEY`` ← ``--set section.key=value``; a later layer wins key by key. Passwords
come only from the environment, or from files that settings name.

The survey is that of ``--survey``, or else of ``NIGHTJAR__SURVEY``, of ``--conf FILE``, or of
``conf/nightjar.toml``: the site's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from broker.errors import SettingsError
from broker.nearest import did_you_mean
from broker.settings.layers import (
    SURVEY,
    Layer,
    conf_layer,
    environment_layers,
    override_layer,
    section_model,
    shipped_layer,
)
from broker.settings.paths import CONF_FOLDER
from broker.settings.sections import Settings

_SITE_FILE = "nightjar.toml"


def load_settings(
    survey: str | None = None,
    conf: Path | None = None,
    overrides: Sequence[str] | None = (),
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Read the layers and check every key and value.

    Parameters
    ----------
    survey
        Name of a survey with a file ``conf/<survey>.toml``; none: the site's.
    conf
        A further TOML file.
    overrides
        ``section.key=value`` words of ``--set``; the value is TOML, or else plain text.

    Raises
    ------
    SettingsError
        A file, key or value cannot be used; unknown keys come with the nearest known one.
    """
    return merge_layers(read_layers(survey, conf, overrides, environ))


def read_layers(
    survey: str | None,
    conf: Path | None,
    overrides: Sequence[str] | None,
    environ: Mapping[str, str] = os.environ,
) -> list[Layer]:
    """Layers in their order, the last of which wins; its survey is the one that was chosen."""
    site = shipped_layer(_SITE_FILE)
    further = [conf_layer(conf)] if conf is not None else []
    further += environment_layers(environ)
    words = [override_layer(word) for word in overrides or ()]
    option = [Layer("--survey", {SURVEY: survey})] if survey is not None else []
    naming = [layer for layer in (site, *further, *option) if layer.survey]
    if not naming:
        raise SettingsError(f"there is no survey; give --survey, or set survey in {site.origin}")
    chosen = naming[-1]
    if conf is not None and further[0].survey not in (None, chosen.survey):
        raise SettingsError(
            f"{conf} is for survey {further[0].survey!r}, and {chosen.origin} says "
            f"{chosen.survey!r}; give --survey {further[0].survey}, or another file"
        )
    return [site, _survey_layer(str(chosen.survey)), *further, *words, *option]


def merge_layers(layers: Sequence[Layer]) -> Settings:
    """Settings of all layers.

    Raises
    ------
    SettingsError
        A key or value cannot be used; every one is named.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer.values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item) for item in error.errors())) from None


def _survey_layer(survey: str) -> Layer:
    known = sorted(path.stem for path in CONF_FOLDER.glob("*.toml") if path.name != _SITE_FILE)
    if survey not in known:
        raise SettingsError(f"unknown survey {survey!r}; known: {', '.join(known)}")
    return shipped_layer(f"{survey}.toml")


def _merge(target: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    name = ".".join(path)
    if item["type"] == "extra_forbidden":
        return f"unknown setting {name}; {_nearest(path)}"
    if item["type"] == "missing":
        return f"setting {name} is required; give it in a --conf file or as --set {name}=…"
    message: str = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], Mapping):  # a whole section, whose message names its settings
        return message
    return f"setting {name} = {item['input']!r}: {message}"


def _nearest(path: list[str]) -> str:
    if len(path) == 1:
        known = [name for name in Settings.model_fields if name != SURVEY]
    else:
        model = section_model(path[0])
        known = [f.alias or name for name, f in model.model_fields.items()] if model else []
    return did_you_mean(path[-1], known, "".join(f"{part}." for part in path[:-1]))
