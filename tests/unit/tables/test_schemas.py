"""Declared schemas: the names and types that are on disk, with a meaning for each column."""

from __future__ import annotations

import pyarrow as pa
import pytest

from broker.errors import PublishError
from broker.kafka.positions import KafkaPosition
from broker.surveys import get_survey
from broker.tables.declaration import ARRIVAL, POSITION_COLUMNS, check_schema, undescribed
from broker.tables.ledger_schema import LEDGER_FIELDS, LEDGER_SCHEMA
from broker.tables.quarantine_schema import QUARANTINE_SCHEMA
from broker.tables.raw_schema import RAW_COLUMNS, raw_schema
from broker.tables.science_schema import INGEST

SURVEYS = ("ztf", "elasticc")


def test_the_ledger_on_disk_has_the_declared_types_without_descriptions() -> None:
    assert pa.schema(LEDGER_FIELDS).equals(LEDGER_SCHEMA)
    assert all(field.metadata is None for field in LEDGER_SCHEMA)
    offsets = LEDGER_SCHEMA.field("offsets").type.value_type
    assert [field.name for field in offsets] == ["topic", "partition", "from", "until", "end"]
    assert all(field.metadata is None for field in offsets)


def test_quarantine_keeps_its_names_on_disk() -> None:
    assert QUARANTINE_SCHEMA.names == [
        *("survey", "stage", "reason", "detail"),
        *("topic", "partition", "offset", "kafka_timestamp"),
        *("value", "alert_id", "night"),
    ]


@pytest.mark.parametrize("survey", SURVEYS)
def test_raw_has_the_packet_first_and_our_columns_after_it(survey: str) -> None:
    declared = raw_schema(get_survey(survey))
    assert declared.names[-len(RAW_COLUMNS) :] == [
        *("alert_id", "object_id", "healpix29", "ingest", "night"),
    ]
    assert any(name.startswith("cutout") or name == "diaSource" for name in declared.names)


def test_where_a_packet_arrived_is_declared_once() -> None:
    arrival = [(field.name, field.type) for field in ARRIVAL]
    assert tuple(field.name for field in POSITION_COLUMNS) == KafkaPosition._fields
    raw_ingest = next(field.type for field in RAW_COLUMNS if field.name == "ingest")
    for fields in (list(INGEST), list(raw_ingest)[: len(ARRIVAL)]):
        assert [(field.name, field.type) for field in fields] == arrival


def test_rows_that_are_not_as_declared_are_named_with_their_table() -> None:
    found = undescribed(QUARANTINE_SCHEMA).remove(0)
    with pytest.raises(PublishError, match=r"the quarantine rows are not as declared:\s+survey: m"):
        check_schema(found, QUARANTINE_SCHEMA, "quarantine")
