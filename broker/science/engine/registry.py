"""From the names in ``[science] modules`` to modules that fit together."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence

from broker.errors import SettingsError
from broker.science.engine.module import Module
from broker.settings import ScienceSettings

BUILT_IN = {
    "real_bogus": "broker.science.modules.real_bogus:RealBogus",
    "solar_system": "broker.science.modules.solar_system:SolarSystem",
    "slope": "broker.science.modules.slope:Slope",
    "classifier": "broker.science.modules.classifier:Classifier",
}
"""Modules whose columns are always in the table: null, version ``off``, when they don't run."""
OFF = "off"


def build_modules(survey: str, settings: ScienceSettings) -> tuple[Module, ...]:
    """Modules that run, in order; those that cannot run on this survey are off.

    Raises
    ------
    SettingsError
        A module cannot be imported, comes twice, or reads a column of a module that runs later.
    """
    named = [_build(entry, survey, settings) for entry in settings.modules]
    modules = tuple(module for module in named if module.runs_on(survey))
    names = [module.name for module in modules]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"science.modules: {name!r} runs twice; name each module once")
    _check_order(modules)
    return modules


def built_in_modules(survey: str, settings: ScienceSettings) -> tuple[Module, ...]:
    """All modules that ship with Nightjar, running or not, in the table's order."""
    return tuple(_build(name, survey, settings) for name in BUILT_IN)


def output_columns(module: Module) -> tuple[str, ...]:
    """Columns of the science table that a module fills."""
    return tuple(field.name for field in module.output) if module.spread else (module.name,)


def _build(entry: str, survey: str, settings: ScienceSettings) -> Module:
    module_class = _import(BUILT_IN.get(entry, entry))
    if not (isinstance(module_class, type) and issubclass(module_class, Module)):
        raise SettingsError(
            f"science.modules: {entry} is not a science module (broker.science.engine.module)"
        )
    if entry not in BUILT_IN and module_class.name in BUILT_IN:
        raise SettingsError(
            f"science.modules: {entry} calls itself {module_class.name!r}, which ships with "
            "Nightjar; give it a name of its own"
        )
    return module_class(survey, settings)


def _import(path: str) -> object:
    if not re.fullmatch(r"[\w.]+:\w+", path):
        raise SettingsError(
            f"science.modules: unknown module {path!r}; known: {', '.join(BUILT_IN)}, or "
            "package.file:Class of another installed package"
        )
    package, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"science.modules: cannot load {path}: {error}; is its package installed here?"
        ) from error


def _check_order(modules: Sequence[Module]) -> None:
    position = {module.name: k for k, module in enumerate(modules)}
    maker = {column: module.name for module in modules for column in output_columns(module)}
    for k, module in enumerate(modules):
        for wanted in module.inputs:
            source = maker.get(wanted.partition(".")[0])
            if source is not None and position[source] >= k:
                raise SettingsError(
                    f"science.modules: {module.name} reads {wanted} of {source}, so {source} must "
                    f"come before {module.name}"
                )
