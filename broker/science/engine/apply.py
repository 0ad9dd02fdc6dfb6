"""Raw rows to science rows: everything in one Arrow pass over the few fields that are needed.

What the pass does not need (the survey's record, ids, the place in Kafka) stays in the JVM;
cutouts are never read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.pandas.functions import arrow_udf

from broker.science.engine.own import OwnModule
from broker.science.engine.registry import OFF
from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from broker.spark.columns import time_of_batch
from broker.spark.types import to_arrow_schema, to_spark_schema
from broker.surveys import Survey, add_survey
from broker.tables.declaration import check_schema
from broker.tables.ledger_row import ModuleCount
from broker.tables.science_schema import INGEST, science_schema

_PASS = "_pass"
_RA, _DEC = "_ra_deg", "_dec_deg"
_INPUTS = ("alert_id", "object_id", "healpix29", "ingest", "night")


def apply_modules(
    alerts: DataFrame,
    survey: Survey,
    settings: ScienceSettings,
    science_at: dt.datetime,
    measured: Observation | None = None,
    carried: Sequence[str] = (),
) -> DataFrame:
    """Science rows of raw rows.

    Parameters
    ----------
    alerts
        Rows of the raw table with ``night``; columns that are not needed are not read.
    survey, settings
        Whose alerts they are, and section ``[science]``.
    science_at
        Time of this batch, with time zone.
    measured
        Gets each module's seconds and failures when the rows have been written; see
        `ScienceColumns.by_module`.
    carried
        Further columns of the raw rows that come along, last.

    Returns
    -------
    DataFrame
        One row per alert, the columns of `science_schema` in order.

    Raises
    ------
    SettingsError
        The modules don't fit together, or read fields that these packets don't have.
    PublishError
        The rows would not be as declared.
    """
    return ScienceColumns.of(survey, settings).rows(alerts, science_at, measured, carried)


@dataclass(frozen=True)
class ScienceColumns:
    """What makes science rows of raw rows, but for the time of the batch.

    For many batches it is built once: that takes a thousand calls into Java.

    Attributes
    ----------
    science
        The pass.
    declared
        Schema of the science table.
    inputs
        Columns of the raw table that come along.
    position
        Right ascension and declination, which may come from records that do not come along.
    computed
        The result of the pass, a struct.
    measures
        Seconds and failures of each module.
    columns
        Those of ``declared``, in order.
    """

    science: SciencePass
    declared: pa.Schema
    inputs: tuple[str, ...]
    position: tuple[Column, ...]
    computed: Column
    measures: tuple[Column, ...]
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, survey: Survey, settings: ScienceSettings) -> ScienceColumns:
        """Columns for a survey, with the modules that ``settings`` choose."""
        science = SciencePass(survey.name, settings)
        declared = science_schema(survey, science.fields)
        known = {
            **{field.name: F.col(f"{_PASS}.{field.name}") for field in science.fields},
            **_columns_outside(survey, science),
        }
        return cls(
            science=science,
            declared=declared,
            inputs=(*_INPUTS, *survey.science.records),
            position=(F.expr(survey.ra_deg).alias(_RA), F.expr(survey.dec_deg).alias(_DEC)),
            computed=_run_pass(survey, settings, science).alias(_PASS),
            measures=tuple(_measures(science)),
            columns=tuple(
                known.get(field.name, F.col(field.name))
                .cast(field.dataType)
                .alias(field.name, metadata=field.metadata)
                for field in to_spark_schema(declared)
            ),
        )

    def rows(
        self,
        alerts: DataFrame,
        science_at: dt.datetime,
        measured: Observation | None = None,
        carried: Sequence[str] = (),
    ) -> DataFrame:
        """Science rows of raw rows; see `apply_modules`."""
        computed = alerts.select(*self.inputs, *self.position, *carried, self.computed)
        if measured is not None:
            computed = computed.observe(measured, *self.measures)
        timed = computed.withColumn("science_at", time_of_batch(science_at, "night"))
        rows = timed.select(*self.columns, *carried)
        check_schema(to_arrow_schema(rows.drop(*carried).schema), self.declared, "science")
        return rows

    def by_module(self, measured: Mapping[str, Any]) -> tuple[ModuleCount, ...]:
        """What each module took and how often it failed, light curves included.

        Parameters
        ----------
        measured
            What the observation that `rows` was given says (``Observation.get``).
        """
        return tuple(
            ModuleCount(
                name=name,
                version=module_version,
                seconds=float(measured[f"{name}.seconds"] or 0.0),
                failures=int(measured[f"{name}.failures"] or 0),
            )
            for name, module_version in self.science.steps.items()
        )


@cache
def _worker_pass(survey: str, settings: ScienceSettings, own: tuple[OwnModule, ...]) -> SciencePass:
    """The pass of this worker process, models loaded: made once, whatever the number of tasks."""
    science = SciencePass(survey, settings, own)
    science.load()
    return science


def _run_pass(survey: Survey, settings: ScienceSettings, science: SciencePass) -> Column:
    paths, own = science.paths, science.own

    def run(*columns: pa.Array) -> pa.Array:
        add_survey(survey)
        packets = dict(zip(paths, columns, strict=True))
        return _worker_pass(survey.name, settings, own).run(packets, len(columns[0]))

    returned = to_spark_schema(science.output, described=False)
    pass_udf = arrow_udf(run, returnType=returned)  # type: ignore[call-overload]
    computed: Column = pass_udf(*(F.col(path) for path in paths))
    return computed


def _columns_outside(survey: Survey, science: SciencePass) -> dict[str, Column]:
    """Columns that need no Python."""
    ingest = tuple(field.name for field in INGEST)
    return {
        "survey": F.lit(survey.name),
        "ra_deg": F.col(_RA),
        "dec_deg": F.col(_DEC),
        "provenance": _provenance(science),
        "ingest": F.struct(*(F.col(f"ingest.{name}") for name in ingest)),
        "raw_at": F.col("ingest.batch_time"),
    }


def _provenance(science: SciencePass) -> Column:
    versions = [
        *((module.name, module.version) for module in science.modules),
        *((module.name, OFF) for module in science.off),
    ]
    modules = [F.struct(F.lit(n).alias("name"), F.lit(v).alias("version")) for n, v in versions]
    return F.struct(
        F.lit(version("nightjar-broker")).alias("broker_version"),
        F.array(*modules).alias("modules"),
        F.col(f"{_PASS}.errors").alias("errors"),
    )


def _measures(science: SciencePass) -> list[Column]:
    errors = F.col(f"{_PASS}.errors")
    measures = []
    for name in science.steps:
        failed = F.array_contains(errors["module"], name)
        measures.append(F.sum(f"{_PASS}.seconds.{name}").alias(f"{name}.seconds"))
        measures.append(F.count_if(failed).alias(f"{name}.failures"))
    return measures
