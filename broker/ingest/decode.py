"""Decoding in the JVM: framed packets become rows of the raw table, or a reason why not.

As in `broker.ingest.framing`, each function gives a transformation whose columns are built once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.avro.functions import from_avro

from broker.ingest.framing import Transform
from broker.ingest.refusals import Refusal, first_refusal
from broker.ingest.writers import Writer
from broker.nights import MJD_OF_UNIX_EPOCH
from broker.packets.reasons import Reason
from broker.surveys import Survey

# What framing and decoding add to the columns of a message.
DECODED = ("reason", "detail", "schema_key", "record", "unknown_fields")
_MICROSECONDS_PER_DAY = 86_400_000_000.0


def decoding(writers: Sequence[Writer], reader: Any) -> Transform:
    """Add ``record``, the packet as a struct of the reader schema, and ``unknown_fields``.

    Takes a frame with ``schema_key`` and ``payload``.

    Parameters
    ----------
    writers
        Known writer schemas; rows of other keys get null.
    reader
        The survey's reader schema.
    """
    options = {"avroSchema": json.dumps(reader), "mode": "PERMISSIVE"}
    # A schema is needed even when no writer is known yet: the reader reads its own.
    record = F.when(F.lit(False), from_avro(F.col("payload"), json.dumps(reader), options))
    unknown = F.lit(None).cast("array<string>")
    for writer in writers:
        is_this = F.col("schema_key") == F.lit(writer.key)
        record = record.when(is_this, from_avro(F.col("payload"), writer.schema, options))
        if writer.unknown_fields:
            names = F.array(*map(F.lit, writer.unknown_fields))
            unknown = F.when(is_this, names).otherwise(unknown)
    decoded = {"record": record, "unknown_fields": unknown}
    return lambda framed: framed.withColumns(decoded).drop("payload")


def identifying(survey: Survey) -> Callable[[DataFrame, Sequence[str]], DataFrame]:
    """Add what every survey's alert has, null where the packet has none.

    Takes the decoded frame and the names of its columns.

    ``alert_id, object_id, ra_deg, dec_deg, mjd``, by the survey's expressions.
    """
    columns = {
        "alert_id": F.expr(f"cast({survey.alert_id} as bigint)"),
        "object_id": F.expr(f"cast({survey.object_id} as string)"),
        "ra_deg": F.expr(f"cast({survey.ra_deg} as double)"),
        "dec_deg": F.expr(f"cast({survey.dec_deg} as double)"),
        "mjd": F.expr(f"cast({survey.mjd} as double)"),
    }
    identity = [column.alias(name) for name, column in columns.items()]

    def identify(decoded: DataFrame, columns: Sequence[str]) -> DataFrame:
        # The expressions name fields of the packet: bring them to the top level.
        return decoded.select(*columns, "record.*").select(*columns, *identity)

    return identify


def night_column(mjd: Column, offset_hours: float) -> Column:
    """Night (int YYYYMMDD) of an MJD column; null when it is no date of this era."""
    # Numbers far beyond any date would overflow, and Spark stops at an overflow.
    days = F.floor(F.when(mjd.between(-50_000, 150_000), mjd) - offset_hours / 24.0)
    date = F.date_from_unix_date((days - int(MJD_OF_UNIX_EPOCH)).cast("int"))
    return F.date_format(date, "yyyyMMdd").cast("int")


def checking(survey: Survey, mjd_range: tuple[float, float] | None) -> Transform:
    """Name, in ``reason`` and ``detail``, the first thing that makes no sense in a decoded row.

    The bytes of a packet decoded with a wrong schema are mostly valid numbers; only these checks
    find that out. Adds ``night`` too, by the survey's rule, and keeps of ``value``
    its length, ``packet_bytes``, and ``packet``, where a table has to keep the bytes.

    Parameters
    ----------
    mjd_range
        Times of simulated alerts; None: between first light and a day after arrival.
    """
    reason, detail = first_refusal(_refusals(survey, mjd_range))
    is_framed = F.col("reason").isNull()
    detail = F.when(is_framed, detail).otherwise(F.col("detail"))
    reason = F.coalesce("reason", reason)
    # Most rows need their bytes no longer, and 75 kB are much to carry along.
    packet = F.when(reason.isNotNull() | F.col("unknown_fields").isNotNull(), F.col("value"))
    checked = {
        "reason": reason,
        "detail": detail,
        "packet": packet,
        "packet_bytes": F.length("value"),
        "night": night_column(F.col("mjd"), survey.night_offset_hours),
    }
    return lambda identified: identified.withColumns(checked).drop("value")


def _refusals(survey: Survey, mjd_range: tuple[float, float] | None) -> list[Refusal]:
    identity = ("alert_id", "object_id", "ra_deg", "dec_deg", "mjd")
    nothing = reduce(Column.__and__, (F.col(name).isNull() for name in identity))
    on_sky = F.col("dec_deg").between(-90, 90) & (F.col("ra_deg") >= 0) & (F.col("ra_deg") < 360)
    in_time, limits = _in_time(survey, mjd_range)
    no_alert_id, no_object_id = (F.col(name).isNull() for name in ("alert_id", "object_id"))
    return [
        Refusal(nothing, Reason.DECODE_FAILED, F.lit("the bytes do not fit the writer schema")),
        Refusal(no_alert_id, Reason.ID_MISSING, F.lit(f"{survey.alert_id} is null")),
        Refusal(no_object_id, Reason.ID_MISSING, F.lit(f"{survey.object_id} is null")),
        Refusal(
            ~F.coalesce(on_sky, F.lit(False)),
            Reason.POSITION_INVALID,
            F.concat_ws(" ", F.lit("not a position: ra, dec ="), "ra_deg", "dec_deg"),
        ),
        Refusal(
            ~F.coalesce(in_time, F.lit(False)),
            Reason.TIME_INVALID,
            F.concat_ws(" ", F.lit("MJD"), "mjd", F.lit(f"is not {limits}")),
        ),
    ]


def _in_time(survey: Survey, mjd_range: tuple[float, float] | None) -> tuple[Column, str]:
    """Whether an alert's time makes sense, and the limits in words."""
    mjd = F.col("mjd")
    if mjd_range is not None:
        limits = f"between MJD {mjd_range[0]} and {mjd_range[1]}"
        return mjd.between(*map(F.lit, mjd_range)), limits
    arrival = F.unix_micros("kafka_timestamp") / _MICROSECONDS_PER_DAY + MJD_OF_UNIX_EPOCH
    limits = f"between first light (MJD {survey.first_light_mjd}) and a day after arrival"
    return mjd.between(F.lit(survey.first_light_mjd), arrival + 1.0), limits
