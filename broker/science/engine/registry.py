"""From settings and the folder of own modules to modules that fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from broker.errors import SettingsError
from broker.science.engine.inputs import Input, InputFinder
from broker.science.engine.module import Module
from broker.science.engine.own import OwnModule, say_left_out
from broker.science.lightcurves.columns import COMMON
from broker.science.modules import built_in
from broker.settings import ScienceSettings
from broker.surveys import Survey, get_survey
from broker.tables.science_schema import science_schema

OFF = "off"
"""Version of a built-in module that does not run; its columns are in the table, null."""


class Modules:
    """The modules of one survey, each with its inputs.

    Parameters
    ----------
    survey, settings
        Whose alerts they see, and section ``[science]``.
    own
        Modules of one's own; one that does not fit is left out, and the log says why.

    Attributes
    ----------
    running
        In the order they run.
    off
        Built-in modules that do not run; `classifier` without a model of the survey never does.
    inputs
        Name → its inputs, in the order of its arguments.
    left_out
        Name of an own module that does not fit → why.

    Raises
    ------
    SettingsError
        A built-in module is unknown, comes twice, or reads a column of one that runs later.
    """

    def __init__(self, survey: str, settings: ScienceSettings, own: Sequence[OwnModule]) -> None:
        self._survey = get_survey(survey)
        self._settings = settings
        shipped = {m.declaration.name: Module.built_in(m) for m in built_in(survey)}
        chosen = _chosen(settings.modules, shipped)
        self.running = tuple(m for m in chosen if self._survey.classifier or m.name != "classifier")
        self.off = tuple(m for m in shipped.values() if m not in self.running)
        self._shipped = tuple(shipped.values())
        self.inputs: dict[str, tuple[Input, ...]] = {}
        _check_order(self.running)
        for module in self.running:
            self.inputs[module.name] = self._find(module, (*COMMON, *_fields(self._shipped)))
        self._add_own(own)

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        """Columns of the science table that they fill: built-in, then own."""
        own = [module for module in self.running if module not in self._shipped]
        return _fields((*self._shipped, *own))

    def _add_own(self, own: Sequence[OwnModule]) -> None:
        """Append own modules, each after those that it reads."""
        waiting = {module.name: module for module in own}
        reasons: dict[str, str] = {}
        while waiting:
            added = [name for name in waiting if self._try(waiting[name], reasons)]
            if not added:
                break
            waiting = {name: module for name, module in waiting.items() if name not in added}
        self.left_out = {name: reasons[name] for name in waiting}
        for name, reason in self.left_out.items():
            say_left_out(name, reason)

    def _try(self, own: OwnModule, reasons: dict[str, str]) -> bool:
        """Append a module if it fits what is there already, else note why it does not."""
        try:
            module = own.build()
            science_schema(self._survey, (*COMMON, *self.fields, *module.declaration.fields))
            found = self._find(module, (*COMMON, *self.fields))
        except SettingsError as error:
            reasons[own.name] = str(error)
            return False
        self.inputs[module.name] = found
        self.running = (*self.running, module)
        return True

    def _find(self, module: Module, columns: Iterable[pa.Field]) -> tuple[Input, ...]:
        types = {field.name: field.type for field in columns}
        finder = InputFinder(self._survey, self._settings, types)
        try:
            found = tuple(finder.find(name) for name in module.declaration.inputs)
            if module.takes_arrow:
                return found
            return tuple(_for_pandas(self._survey, one) for one in found)
        except SettingsError as error:
            raise SettingsError(f"module {module.name} reads {error}") from error


def _chosen(names: Sequence[str], shipped: Mapping[str, Module]) -> tuple[Module, ...]:
    for name in names:
        if name not in shipped:
            raise SettingsError(
                f"science.modules: unknown module {name!r}; known: {', '.join(shipped)}; one of "
                "your own is a file in science.folder (bin/nightjar science new NAME)"
            )
        if names.count(name) > 1:
            raise SettingsError(f"science.modules: {name!r} runs twice; name each module once")
    return tuple(shipped[name] for name in names)


def _fields(modules: Iterable[Module]) -> tuple[pa.Field, ...]:
    return tuple(field for module in modules for field in module.declaration.fields)


def _check_order(modules: Sequence[Module]) -> None:
    position = {module.name: k for k, module in enumerate(modules)}
    maker = {column: m.name for m in modules for column in m.declaration.columns}
    for k, module in enumerate(modules):
        for wanted in module.declaration.inputs:
            source = maker.get(wanted.partition(".")[0])
            if source is not None and position[source] >= k:
                raise SettingsError(
                    f"science.modules: {module.name} reads {wanted} of {source}, so {source} must "
                    f"come before {module.name}"
                )


def _for_pandas(survey: Survey, wanted: Input) -> Input:
    """The input as NumPy values can hold it: ids go as text.

    Raises
    ------
    SettingsError
        A list of 64-bit integers, or a whole record.
    """
    is_list = pa.types.is_list(wanted.dtype)
    item = wanted.dtype.value_type if is_list else wanted.dtype
    if pa.types.is_struct(item):
        raise SettingsError(f"{wanted.name}, which is {wanted.dtype}; name one of its fields")
    if item != pa.int64():
        return wanted
    if is_list:
        raise SettingsError(
            f"{wanted.name}, a list of 64-bit integers: where one is null, pandas makes them "
            "floats, and ids lose their last digits"
        )
    is_id = wanted.name.rpartition(".")[2] in ("alert_id", *survey.packet.ids)
    return replace(wanted, dtype=pa.string()) if is_id else wanted
