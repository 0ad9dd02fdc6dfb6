"""Arguments of a built-in module as Spark columns, for its own evaluation by Spark."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.science.engine.declaration import ScienceModule
from broker.science.engine.inputs import Input
from broker.science.engine.registry import Modules
from broker.science.modules import built_in
from broker.settings import ScienceSettings
from broker.spark.types import to_spark_schema
from broker.surveys import get_survey
from broker.tables.declaration import column


def udf_inputs(
    module: ScienceModule, survey: str, settings: ScienceSettings | None = None
) -> list[Column]:
    """Columns of science rows, with the packet's own fields beside them, that a module reads.

    Parameters
    ----------
    settings
        Section ``[science]``, for the numbers in it; none: their defaults.

    Examples
    --------
    ``rows.select(slope(*udf_inputs(slope, "ztf")))``
    """
    names = tuple(one.declaration.name for one in built_in(survey))
    numbers = settings or ScienceSettings(modules=())
    modules = Modules(get_survey(survey).name, numbers.model_copy(update={"modules": names}), ())
    return _columns(modules.inputs[module.declaration.name])


def _columns(inputs: Sequence[Input]) -> list[Column]:
    found = []
    for wanted in inputs:
        path = wanted.column or ".".join(wanted.paths[:1])
        (field,) = to_spark_schema([column("value", wanted.dtype, "", "")])
        found.append(F.col(path) if path else F.lit(wanted.value).cast(field.dataType))
    return found
