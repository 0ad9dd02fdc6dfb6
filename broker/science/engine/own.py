"""Modules of your own: pandas UDFs and plain functions that TOML files name."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
import sys
import tomllib
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pyspark import cloudpickle
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.util import PythonEvalType

from broker.errors import InputError, SettingsError
from broker.science.engine.ddl import parse_type
from broker.science.engine.declaration import ModuleDeclaration
from broker.science.engine.module import Module
from broker.tables.declaration import column

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FUNCTION = re.compile(r"[\w.]+:\w+")
_NO_SESSION = "SESSION_OR_CONTEXT_NOT_EXISTS"
Words = str | dict[str, str]


class ModuleFile(BaseModel):
    """What a file ``<science.folder>/<name>.toml`` says of one function."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    function: str = Field(description="package.module:function, on PYTHONPATH or beside the file")
    version: str
    inputs: tuple[str, ...] = Field(min_length=1, description="its arguments, in order")
    returns: str = Field(description="type of its result in Spark's DDL")
    keys: tuple[str, ...] = Field((), description="of a map; they become the fields of a struct")
    unit: Words = Field("", description="of the result; for a struct by field")
    meaning: Words = Field(description="of the result; for a struct by field")

    @field_validator("function")
    @classmethod
    def _is_a_path(cls, text: str) -> str:
        if not _FUNCTION.fullmatch(text):
            raise ValueError("give package.module:function")
        return text

    @property
    def output(self) -> pa.DataType:
        """Type of the column, units and meanings included."""
        dtype = parse_type(self.returns)
        if pa.types.is_map(dtype):
            if not self.keys:
                raise InputError('returns is a map: name its keys, keys = ["…"]')
            dtype = pa.struct([pa.field(key, dtype.item_type) for key in self.keys])
        if not pa.types.is_struct(dtype):
            return dtype
        return pa.struct(
            [
                column(f.name, f.type, _word(self.unit, f.name), _word(self.meaning, f.name))
                for f in dtype
            ]
        )


@dataclass(frozen=True)
class OwnModule:
    """A module of one's own as it travels to the workers, which don't read the folder.

    Attributes
    ----------
    text
        Its TOML file.
    pickled
        The function by value, for workers that cannot import it; None where that is impossible,
        or where its decorator needs a Spark session and this process has none.
    beside
        Its Python file stands beside the TOML file: no worker can import it.
    """

    name: str
    text: str
    pickled: bytes | None
    beside: bool

    def build(self) -> Module:
        """The module; its function is found when it is called or loaded first."""
        file = _parse(self.text)
        found = _Function(file.function, self)
        declaration = replace(_declaration(self.name, file), load=found.load)
        return Module(declaration, found)


@dataclass(frozen=True)
class _Function:
    """A stranger's function on Series, found when it is needed first."""

    path: str
    module: OwnModule

    def __call__(self, *series: Any) -> Any:
        return self._plain(*series)

    def load(self) -> None:
        """Find it now, if it is to be found; a call says why not."""
        with suppress(InputError):
            _ = self._plain

    @cached_property
    def _plain(self) -> Callable[..., Any]:
        """Imported where that is possible, else by value."""
        path, _, name = self.path.partition(":")
        if not (self.module.beside and self.module.pickled):
            try:
                found = getattr(_import(path, None), name)
            except InputError:
                if self.module.pickled is None:
                    raise
            else:
                plain: Callable[..., Any] = getattr(found, "func", found)
                return plain
        assert self.module.pickled is not None
        loaded: Callable[..., Any] = cloudpickle.loads(self.module.pickled)
        return loaded


def own_modules(folder: Path | None) -> tuple[OwnModule, ...]:
    """Modules of a folder by name; a broken file is left out, and the log says why."""
    found = []
    for path in sorted(folder.glob("*.toml")) if folder is not None else ():
        try:
            found.append(read_module(path))
        except (InputError, SettingsError) as error:
            say_left_out(path.stem, str(error))
    return tuple(found)


def say_left_out(name: str, reason: str) -> None:
    """Say, once per process, that a module does not run."""
    _say_once(f"science module {name} is left out: {reason}")


@cache
def _say_once(message: str) -> None:
    log.error(message)


def read_module(path: Path) -> OwnModule:
    """The module of one file, its function found.

    Raises
    ------
    InputError
        The file, the type or the function cannot be used; names what and why.
    """
    name = path.stem
    if not _NAME.fullmatch(name):
        raise InputError(f"{path}: a column is named after the file: use a-z, 0-9 and _")
    try:
        text = path.read_text()
        file = _parse(text)
        declaration = _declaration(name, file)
        pickled = _by_value(file.function, path.parent, declaration.output)
        beside = _beside(file.function, path.parent).exists()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return OwnModule(name, text, pickled, beside)


def _parse(text: str) -> ModuleFile:
    try:
        return ModuleFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(ModuleFile.model_fields)
        raise InputError(f"{key}: {first['msg']}; the keys are {known}") from error


def _declaration(name: str, file: ModuleFile) -> ModuleDeclaration:
    meaning = file.meaning if isinstance(file.meaning, str) else name
    unit = file.unit if isinstance(file.unit, str) and not pa.types.is_struct(file.output) else ""
    return ModuleDeclaration(name, file.version, file.inputs, file.output, unit, meaning)


def _word(words: Words, field: str) -> str:
    return words if isinstance(words, str) else words.get(field, "")


def _by_value(function: str, folder: Path, output: pa.DataType) -> bytes | None:
    """The plain function, pickled with the code of its own Python module.

    None where its decorator needs a running Spark session and this process has none: what only
    asks for the columns never calls it.
    """
    path, _, name = function.partition(":")
    try:
        found = _import(path, folder)
    except _NeedsSessionError:
        return None
    plain = _plain(getattr(found, name, None), function, output)
    root = sys.modules[path.partition(".")[0]]
    cloudpickle.register_pickle_by_value(root)  # type: ignore[no-untyped-call]
    try:
        return bytes(cloudpickle.dumps(plain))  # type: ignore[no-untyped-call]
    # Whatever a stranger's globals hold; the workers can still import it.
    except Exception as error:  # noqa: BLE001
        log.debug("%s cannot be sent by value: %s", function, error)
        return None
    finally:
        cloudpickle.unregister_pickle_by_value(root)  # type: ignore[no-untyped-call]


class _NeedsSessionError(InputError):
    """A decorator names its type as text, which only a running Spark session can read."""


def _import(path: str, folder: Path | None) -> ModuleType:
    """Python module of a stranger: beside the TOML file, or on PYTHONPATH.

    Raises
    ------
    InputError
        It cannot be imported, for whatever reason.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            beside = None if folder is None else _beside(path, folder)
            if beside is not None and beside.exists():
                return _import_file(path, beside)
            return importlib.import_module(path)
    # A stranger's file may raise anything when it is imported.
    except Exception as error:
        if _NO_SESSION in str(error):
            raise _NeedsSessionError(
                f"{path} gives pandas_udf its type as text, which needs a running Spark session"
            ) from error
        raise InputError(
            f"cannot import {path}: {type(error).__name__}: {error}; is it on PYTHONPATH or beside "
            "the file?"
        ) from error


def _beside(function: str, folder: Path) -> Path:
    """Where the function's Python file would be, if it stood beside the TOML file."""
    return folder / f"{function.partition(':')[0]}.py"


def _import_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    sys.modules[name] = found
    return found


def _plain(found: Any, function: str, output: pa.DataType) -> Callable[..., Any]:
    """The function on Series, of a pandas UDF or plain."""
    if not callable(found):
        raise InputError(f"{function}: there is no such function")
    plain: Callable[..., Any] = getattr(found, "func", found)
    if not hasattr(found, "evalType"):
        return plain
    if found.evalType != PythonEvalType.SQL_SCALAR_PANDAS_UDF:
        raise InputError(f"{function} is a UDF, but no pandas UDF from Series to Series")
    declared = to_arrow_type(found.returnType)
    if not pa.types.is_map(declared) and declared != output:
        raise InputError(f"{function} is a pandas UDF of {declared}, but returns says {output}")
    return plain
