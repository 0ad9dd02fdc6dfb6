"""Outgoing packets: rows that match a filter, encoded with the payload that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import DataType, StringType, StructType

from broker.filters import MATCHES, Filter
from broker.kafka.positions import KafkaPosition
from broker.packets.schemas import load_schema, schema_text
from broker.sinks.packets_out import PacketFormat, packet_schema
from broker.spark.types import to_spark_schema
from broker.surveys import Survey
from broker.tables.science_schema import packet_fields

ANSWER = "classification"
"""Payload that is the survey's own classification message instead of a science row."""
_CUTOUTS = "cutouts"
_LIGHTCURVE = "lightcurve"
_POSITION = KafkaPosition._fields
_RAW_POSITION = (
    StructType()
    .add("night", "integer")
    .add(
        "ingest",
        StructType().add("topic", "string").add("partition", "integer").add("offset", "long"),
    )
)


class Packets:
    """Packet formats of a set of filters, and the rows to encode with them.

    Parameters
    ----------
    survey
        Survey of the alerts.
    science
        Columns of the science table.
    filters
        In the order of the indices in `MATCHES`.
    """

    def __init__(self, survey: Survey, science: StructType, filters: Sequence[Filter]) -> None:
        self._survey = survey
        self._science = science
        self._filters_of = _by_payload(filters)
        self.formats = {payload: self._format(payload) for payload in self._filters_of}

    def rows(self, matched: DataFrame, read_raw: Callable[[StructType], DataFrame]) -> DataFrame:
        """Encode the rows to send.

        Parameters
        ----------
        matched
            Science rows with `MATCHES`.
        read_raw
            Gives the raw rows of the same batch, with these columns.

        Returns
        -------
        DataFrame
            ``alert_id, object_id``, `MATCHES`, and one binary column per payload, null where no
            filter that matches asks for that payload.
        """
        # `observe` keeps Spark from evaluating all filters twice: for the choice of rows below,
        # and again for the column.
        counted = matched.observe("evaluated", F.count(F.lit(1)))
        sent = counted.where(F.size(MATCHES) > 0)
        needed = {payload for payload in self.formats if self._raw_fields(payload)}
        if needed:
            fields = dict.fromkeys(f for payload in needed for f in self._raw_fields(payload))
            raw = read_raw(StructType([*_RAW_POSITION, *self._raw_types(fields)]))
            sent = _with_raw(sent, self._asked(needed), raw, list(fields))
        encoded = (
            F.when(self._asked({payload}), made.encoded()).alias(payload)
            for payload, made in self.formats.items()
        )
        return sent.select("alert_id", "object_id", MATCHES, *encoded)

    def _asked(self, payloads: set[str]) -> Column:
        """Whether a filter that matches sends one of these payloads."""
        indices = [k for payload in sorted(payloads) for k in self._filters_of[payload]]
        return F.arrays_overlap(F.col(MATCHES), F.array(*(F.lit(k) for k in indices)))

    def _raw_fields(self, payload: str) -> tuple[str, ...]:
        if payload == _CUTOUTS:
            return self._survey.cutouts
        if payload == ANSWER and self._survey.answer is not None:
            return self._survey.answer.raw_fields
        return ()

    def _raw_types(self, names: Iterable[str]) -> StructType:
        return to_spark_schema(packet_fields(self._survey, names), described=False)

    def _format(self, payload: str) -> PacketFormat:
        if payload == ANSWER:
            return self._answer()
        columns = {name: F.expr(sql) for name, sql in self._survey.subscriber_fields.items()}
        types = StructType()
        for name, sql in self._survey.subscriber_fields.items():
            types.add(name, *_type_of(sql, self._science))
        left_out = {_LIGHTCURVE} if payload == "lite" else set()
        for field in self._science:
            if field.name not in left_out:
                columns[field.name] = F.col(field.name)
                types.add(field)
        for field in self._raw_types(self._raw_fields(payload)):
            columns[field.name] = F.col(field.name)
            types.add(field)
        named = [column.alias(name) for name, column in columns.items()]
        return PacketFormat(named, packet_schema(types, self._survey.name))

    def _answer(self) -> PacketFormat:
        answer = self._survey.answer
        assert answer is not None  # a filter that asks a survey without one is not loaded
        columns = [F.expr(sql).alias(name) for name, sql in answer.fields.items()]
        return PacketFormat(columns, schema_text(load_schema(answer.schema_file)))


def _type_of(sql: str, science: StructType) -> tuple[DataType, bool]:
    """Type of a science column or of a text in quotes, and whether it may be null."""
    is_text = sql.startswith("'")
    return (StringType(), False) if is_text else (science[sql].dataType, True)


def _by_payload(filters: Iterable[Filter]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, item in enumerate(filters):
        found.setdefault(item.payload, []).append(index)
    return found


def _with_raw(rows: DataFrame, asked: Column, raw: DataFrame, fields: Sequence[str]) -> DataFrame:
    """Add fields of the packets, found by their Kafka position, to the rows that ask for them."""
    positions = [F.col(f"ingest.{name}").alias(f"_{name}") for name in _POSITION]
    keys = ["night", *(f"_{name}" for name in _POSITION)]
    rows = rows.select("*", *positions)
    needed = rows.where(asked).select(keys)
    # A packet that was quarantined twice may be replayed into one batch twice.
    found = raw.select("night", *positions, *fields).join(F.broadcast(needed), keys, "left_semi")
    return rows.join(found.dropDuplicates(keys), keys, "left")
