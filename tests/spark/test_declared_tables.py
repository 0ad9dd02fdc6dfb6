"""Ingest writes the raw table and the quarantine exactly as they are declared, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from broker.errors import PublishError
from broker.surveys import get_survey
from broker.tables.declaration import column, differences
from broker.tables.quarantine_schema import QUARANTINE_SCHEMA
from broker.tables.raw_schema import raw_schema
from tests.rubbish import SOUND
from tests.spark.ingesting import Batch, Ingester

Make = Callable[..., Ingester]


def staged(batch: Batch, table: str) -> pa.Schema:
    """Schema of a staged table's files, and the night of its folders."""
    folder = batch.storage.path(batch.attempt.table_folder(table))
    night = ds.partitioning(pa.schema([("night", pa.int32())]), flavor="hive")
    return ds.dataset(folder, format="parquet", partitioning=night).schema


def test_tables_on_disk_are_as_declared(ingester: Make) -> None:
    batch = ingester("ztf")([SOUND, b"x"])
    raw, declared = staged(batch, "raw"), raw_schema(get_survey("ztf"))
    assert raw.names == declared.names
    assert differences(raw, declared) == []
    assert staged(batch, "quarantine").names == QUARANTINE_SCHEMA.names
    assert differences(staged(batch, "quarantine"), QUARANTINE_SCHEMA) == []


def test_rows_that_are_not_as_declared_are_not_written(
    ingester: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_more = raw_schema(get_survey("ztf")).append(column("extra", pa.int8(), "", "not there"))
    monkeypatch.setattr("broker.ingest.rows.raw_schema", lambda _: one_more)
    with pytest.raises(PublishError, match=r"the raw rows are not as declared:\s+extra: missing"):
        ingester("ztf")([SOUND])
