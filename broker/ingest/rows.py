"""Rows of the raw and the quarantine table, from checked packets."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.pandas.functions import arrow_udf
from pyspark.sql.types import StringType, StructType

from broker.errors import InputError
from broker.ingest.headers import parse_header
from broker.ingest.healpix import healpix29
from broker.packets.reasons import Reason
from broker.spark.types import to_arrow_schema
from broker.surveys import Survey
from broker.tables.declaration import check_schema
from broker.tables.quarantine_schema import QUARANTINE_SCHEMA
from broker.tables.raw_schema import RAW_INGEST, raw_schema

_DIAGNOSIS = StructType().add("reason", StringType()).add("detail", StringType())


def raw_rows(checked: DataFrame, survey: Survey) -> DataFrame:
    """Rows of the survey's raw table: the sound packets among checked ones.

    Returns
    -------
    DataFrame
        The packet under its own names, ``alert_id``, ``object_id``, ``healpix29``, the struct
        ``ingest`` and ``night``. The bytes are kept where a field has no column.

    Raises
    ------
    PublishError
        They are not as declared.
    """
    rows = checked.where(F.col("reason").isNull()).select("record.*", *_raw_columns())
    check_schema(to_arrow_schema(rows.schema), raw_schema(survey), "raw")
    return rows


@cache
def _raw_columns() -> tuple[Column, ...]:
    """Built once: over a hundred calls into Java."""
    ingest = F.struct(*(field.name for field in RAW_INGEST))
    healpix = healpix29(F.col("ra_deg"), F.col("dec_deg"))
    return (
        F.col("alert_id"),
        F.col("object_id"),
        healpix.alias("healpix29"),
        ingest.alias("ingest"),
        F.col("night"),
    )


def quarantine_rows(checked: DataFrame, survey: str, stage: str) -> DataFrame:
    """Rows of the quarantine table: the packets that cannot be used, with their bytes.

    Returns
    -------
    DataFrame
        ``survey, stage, reason, detail, topic, partition, offset, kafka_timestamp, value,
        alert_id, night``; the night is the UTC date of arrival.

    Raises
    ------
    PublishError
        They are not as declared.
    """
    refused = checked.where(F.col("reason").isNotNull())
    header = F.when(F.col("reason") == Reason.HEADER_UNKNOWN.value, F.col("packet"))
    diagnosed = refused.withColumn("_header", diagnose_header(header))
    rows = diagnosed.select(
        F.lit(survey).alias("survey"),
        F.lit(stage).alias("stage"),
        F.coalesce("_header.reason", "reason").alias("reason"),
        F.coalesce("_header.detail", "detail").alias("detail"),
        "topic",
        "partition",
        "offset",
        "kafka_timestamp",
        F.col("packet").alias("value"),
        "alert_id",
        F.date_format("kafka_timestamp", "yyyyMMdd").cast("int").alias("night"),
    )
    check_schema(to_arrow_schema(rows.schema), QUARANTINE_SCHEMA, "quarantine")
    return rows


@arrow_udf(returnType=_DIAGNOSIS)  # type: ignore[call-overload, untyped-decorator]
def diagnose_header(values: pa.Array) -> pa.Array:
    """Reason why a container header is not known; null for null."""
    dtype = pa.struct([("reason", pa.string()), ("detail", pa.string())])
    return pa.array([_diagnosis(value.as_py()) for value in values], type=dtype)


def _diagnosis(value: bytes | None) -> dict[str, str] | None:
    if value is None:
        return None
    try:
        header = parse_header(value)
    except InputError as error:
        return {"reason": error.reason, "detail": str(error)}
    return {
        "reason": Reason.HEADER_UNKNOWN.value,
        "detail": f"more unknown schemas in one batch than are learnt (header {header.digest}); "
        "replay it from quarantine",
    }
