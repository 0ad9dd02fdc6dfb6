"""Declaration of a science module: what stands beside its function.

::

    @science_module(version="1.0", inputs=("mag", "candidate.classtar"), output=OUTPUT)
    @pandas_udf(spark_type(OUTPUT))
    def brightness(mag: pd.Series, classtar: pd.Series) -> pd.DataFrame:
        ...

The function stays what `pandas_udf` made of it: a Spark column function with ``func``, the plain
function on Series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql.types import DataType

from broker.settings import ScienceSettings
from broker.spark.types import to_spark_schema
from broker.tables.declaration import column

CONSTANT, SETTING, HISTORY = "=", "=science.", "history+"


@dataclass(frozen=True)
class Rule:
    """One step of a module's reasoning on one alert, for people to read."""

    text: str
    outcome: str


@dataclass(frozen=True)
class ModuleDeclaration:
    """What is known of a module without calling it.

    Attributes
    ----------
    name
        Name in settings and provenance, and of its column.
    version
        Changes whenever the same alert could get another value.
    inputs
        One per argument of the function, in order: a column of the science table (``mag``,
        ``lightcurve.mjd``, ``real_bogus.is_real``), a quantity of
        `broker.surveys.base.QUANTITIES` (``drb``), a field of the packet (``candidate.classtar``),
        ``history+candidate.magpsf`` (the history's values and this alert's, one list),
        ``=10000`` (a constant) or ``=science.radius_arcsec`` (a setting).
    output
        Type of the result; fields of a struct have a unit and a meaning (see `column`).
    unit, meaning
        Of the column.
    spread
        The output's fields are columns of their own; only for built-in modules.
    explain
        Steps by which the function comes to its result, given its arguments for one alert.
    load
        Loads models; called once per worker process, before the first batch.
    """

    name: str
    version: str
    inputs: tuple[str, ...]
    output: pa.DataType
    unit: str
    meaning: str
    spread: bool = False
    explain: Callable[..., list[Rule]] | None = None
    load: Callable[[], None] | None = None

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        """Columns of the science table that the module fills."""
        if self.spread:
            return tuple(self.output)
        return (column(self.name, self.output, self.unit, self.meaning),)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of these columns."""
        return tuple(field.name for field in self.fields)


class ScienceModule(Protocol):
    """A pandas UDF with a declaration."""

    func: Callable[..., Any]
    returnType: DataType  # noqa: N815 - Spark's own name
    evalType: int  # noqa: N815 - Spark's own name
    declaration: ModuleDeclaration

    def __call__(self, *columns: Column | str) -> Column:
        """Spark column of the module's result."""


def science_module(
    *,
    version: str,
    inputs: tuple[str, ...],
    output: pa.StructType,
    spread: bool = False,
    explain: Callable[..., list[Rule]] | None = None,
    load: Callable[[], None] | None = None,
) -> Callable[[Any], ScienceModule]:
    """Declare a pandas UDF as a science module; see `ModuleDeclaration`.

    The module's name is the function's, its meaning the first line of its docstring.

    Raises
    ------
    TypeError
        The UDF's return type is not that of `output`.
    """

    def declare(udf: Any) -> ScienceModule:
        if udf.returnType != spark_type(output):
            raise TypeError(
                f"module {udf.func.__name__} is a pandas UDF of {udf.returnType.simpleString()}, "
                f"declared is {spark_type(output).simpleString()}; decorate it with "
                "pandas_udf(spark_type(OUTPUT))"
            )
        udf.declaration = ModuleDeclaration(
            name=udf.func.__name__,
            version=version,
            inputs=inputs,
            output=output,
            unit="",
            meaning=(udf.func.__doc__ or udf.func.__name__).partition("\n")[0],
            spread=spread,
            explain=explain,
            load=load,
        )
        return cast("ScienceModule", udf)

    return declare


def spark_type(output: pa.StructType) -> DataType:
    """Return type for `pandas_udf`; Spark refuses units and meanings there."""
    return to_spark_schema(output, described=False)


def default_setting(name: str) -> pd.Series:
    """Default of a key of section ``[science]``, for an argument that a caller leaves out."""
    return pd.Series([ScienceSettings.model_fields[name].default])
