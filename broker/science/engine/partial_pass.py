"""Some modules again, from rows of the science table alone: no packet is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.pandas.functions import arrow_udf

from broker.errors import SettingsError
from broker.science.engine.inputs import Batch
from broker.science.engine.kept import kept_with_batch
from broker.science.engine.module import Module
from broker.science.engine.own import OwnModule
from broker.science.engine.science_pass import SciencePass, run_modules
from broker.settings import ScienceSettings
from broker.spark.types import to_spark_schema
from broker.surveys import add_survey, get_survey
from broker.surveys.arrow_columns import follow
from broker.tables.science_schema import ERRORS, ROW_COLUMNS, science_schema

_AGAIN = "_again"


class PartialPass:
    """Chosen modules of one survey, and those that read what these compute.

    Parameters
    ----------
    survey, settings
        As for `SciencePass`.
    chosen
        Names of modules that are switched on.

    Raises
    ------
    SettingsError
        A module is not switched on, or reads what the science table does not have.
    """

    def __init__(
        self,
        survey: str,
        settings: ScienceSettings,
        chosen: Sequence[str],
        own: tuple[OwnModule, ...] | None = None,
    ) -> None:
        self.science = SciencePass(survey, settings, own)
        self._records = get_survey(survey).science.records
        known = [module.name for module in self.science.modules]
        for name in chosen:
            if name not in known:
                raise SettingsError(f"module {name!r} is not switched on; {', '.join(known)} are")
        self.modules = self._with_dependents(chosen)
        for module in self.modules:
            self._check_inputs(module)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the science table that are read."""
        wanted = []
        computed = {name for module in self.modules for name in module.declaration.columns}
        for module in self.modules:
            for found in self.science.inputs[module.name]:
                paths = (found.column, *found.paths)
                tops = [path.partition(".")[0] for path in paths if path]
                wanted += [top for top in tops if top not in computed]
        # Without any, Spark would not say how many rows there are.
        return tuple(dict.fromkeys(wanted)) or ("alert_id",)

    @property
    def fields(self) -> list[pa.Field]:
        """Columns that are computed again."""
        return [field for module in self.modules for field in module.declaration.fields]

    @property
    def output(self) -> pa.StructType:
        """Struct of `fields` and ``errors``."""
        return pa.struct([*self.fields, pa.field("errors", ERRORS)])

    def load(self) -> None:
        """Load the modules' models; once per worker process."""
        for module in self.modules:
            module.load()

    def run(self, rows: Mapping[str, pa.Array], n_rows: int) -> pa.StructArray:
        """One struct of type `output` per row, given its `columns`."""
        packets = {
            path: _field(rows, path) for module in self.modules for path in self._paths(module)
        }
        batch = Batch(packets, dict(rows), n_rows)
        with kept_with_batch():
            run_modules(self.modules, self.science.inputs, batch)
        fields = list(self.output)
        return pa.StructArray.from_arrays([batch.columns[f.name] for f in fields], fields=fields)

    def _with_dependents(self, chosen: Sequence[str]) -> tuple[Module, ...]:
        """Modules come after those that they read, so one pass finds all."""
        found: list[Module] = []
        for module in self.science.modules:
            computed = {name for one in found for name in one.declaration.columns}
            reads = {name.partition(".")[0] for name in module.declaration.inputs}
            if module.name in chosen or reads & computed:
                found.append(module)
        return tuple(found)

    def _check_inputs(self, module: Module) -> None:
        for path in self._paths(module):
            if path.partition(".")[0] not in (*self._records, *ROW_COLUMNS):
                raise SettingsError(
                    f"module {module.name} reads {path} of the packet, which the science table "
                    "does not have; reprocess without --modules, from the raw table"
                )

    def _paths(self, module: Module) -> tuple[str, ...]:
        return tuple(path for found in self.science.inputs[module.name] for path in found.paths)


def apply_again(
    rows: DataFrame,
    survey: str,
    settings: ScienceSettings,
    chosen: Sequence[str],
    science_at: dt.datetime,
) -> DataFrame:
    """Science rows with some modules' columns computed again.

    Parameters
    ----------
    rows
        Rows of the science table, of any version.
    chosen
        Names of modules; those that depend on them follow.
    science_at
        Time of this run, with time zone.

    Returns
    -------
    DataFrame
        The columns of `science_schema` in order, then whatever else the rows had.

    Raises
    ------
    SettingsError
        See `PartialPass`.
    """
    again = PartialPass(survey, settings, chosen)
    computed = rows.withColumn(_AGAIN, _run_pass(survey, settings, tuple(chosen), again))
    columns = {field.name: F.col(f"{_AGAIN}.{field.name}") for field in again.fields}
    columns |= {"provenance": _provenance(again), "science_at": F.lit(science_at)}
    declared = to_spark_schema(science_schema(get_survey(survey), again.science.fields))
    kept = [field for field in declared if field.name in columns or field.name in rows.columns]
    others = [name for name in rows.columns if name not in declared.names]
    return computed.select(
        *(
            columns.get(field.name, F.col(field.name))
            .cast(field.dataType)
            .alias(field.name, metadata=field.metadata)
            for field in kept
        ),
        *others,
    )


@cache
def _worker_pass(
    survey: str, settings: ScienceSettings, chosen: tuple[str, ...], own: tuple[OwnModule, ...]
) -> PartialPass:
    """The pass of this worker process, models loaded."""
    again = PartialPass(survey, settings, chosen, own)
    again.load()
    return again


def _run_pass(
    survey: str, settings: ScienceSettings, chosen: tuple[str, ...], again: PartialPass
) -> Column:
    names, own, declared = again.columns, again.science.own, get_survey(survey)

    def run(*columns: pa.Array) -> pa.Array:
        add_survey(declared)
        rows = dict(zip(names, columns, strict=True))
        return _worker_pass(survey, settings, chosen, own).run(rows, len(columns[0]))

    returned = to_spark_schema(again.output, described=False)
    pass_udf = arrow_udf(run, returnType=returned)  # type: ignore[call-overload]
    computed: Column = pass_udf(*(F.col(name) for name in names))
    return computed


def _provenance(again: PartialPass) -> Column:
    """The row's own, with the new versions and errors of the modules that ran again."""
    versions = {module.name: module.version for module in again.modules}
    new = [F.struct(F.lit(n).alias("name"), F.lit(v).alias("version")) for n, v in versions.items()]
    modules, errors = F.col("provenance.modules"), F.col("provenance.errors")
    before = F.transform(modules, lambda module: module["name"])
    replaced = F.transform(modules, lambda one: F.coalesce(_version_of(one, versions), one))
    added = F.filter(F.array(*new), lambda one: ~F.array_contains(before, one["name"]))
    kept = F.filter(errors, lambda error: ~error["module"].isin(*versions))
    return F.struct(
        F.lit(version("nightjar-broker")).alias("broker_version"),
        F.concat(replaced, added).alias("modules"),
        F.concat(kept, F.col(f"{_AGAIN}.errors")).alias("errors"),
    )


def _version_of(module: Column, versions: Mapping[str, str]) -> Column:
    """The module with its new version; null for one that did not run again."""
    found = [
        F.when(
            module["name"] == name,
            F.struct(F.lit(name).alias("name"), F.lit(new).alias("version")),
        )
        for name, new in versions.items()
    ]
    return F.coalesce(*found)


def _field(rows: Mapping[str, pa.Array], path: str) -> pa.Array:
    top, *steps = path.split(".")
    return follow(rows[top], steps)
