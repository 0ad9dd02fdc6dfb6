"""Alerts saved as one Parquet file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.client.alert import Alert, Received
from broker.client.table import AlertTable, arrow_schema
from broker.errors import UsageError
from broker.packets.framing import Packet
from broker.packets.schemas import parse_schema

POINT = {"type": "record", "name": "point", "fields": [{"name": "mjd", "type": "double"}]}
FIELDS: dict[str, Any] = {
    "alert_id": "long",
    "mag": ["null", "float"],
    "at": {"type": "long", "logicalType": "timestamp-micros"},
    "first": ["null", POINT],
    "history": {"type": "array", "items": ["null", "point"]},
    "extras": {"type": "map", "values": "string"},
    "band": {"type": "enum", "name": "band", "symbols": ["g", "r"]},
    "digest": {"type": "fixed", "name": "digest", "size": 2},
    "stamp": "bytes",
}


def make_schema(**fields: Any) -> dict[str, Any]:
    listed = [{"name": name, "type": kind} for name, kind in fields.items()]
    return parse_schema({"type": "record", "name": "alert", "fields": listed}, "test")


def make_alert(record: dict[str, Any], schema: dict[str, Any]) -> Alert:
    return Alert(Received("somewhere", b"", Packet(record, schema, None, "bare")))


def a_record(number: int) -> dict[str, Any]:
    return {
        "alert_id": 2**60 + number,
        "mag": None,
        "at": dt.datetime(2024, 9, 10, 1, 2, 3, number, tzinfo=dt.UTC),
        "first": {"mjd": 60000.5},
        "history": [None, {"mjd": 60001.5}],
        "extras": [("a", "b")],
        "band": "g",
        "digest": b"\x00\x01",
        "stamp": b"\xff" * number,
    }


def test_every_avro_type_has_its_column() -> None:
    point = pa.struct([("mjd", pa.float64())])
    assert arrow_schema(make_schema(**FIELDS)) == pa.schema(
        [
            ("alert_id", pa.int64()),
            ("mag", pa.float32()),
            ("at", pa.timestamp("us", tz="UTC")),
            ("first", point),
            ("history", pa.list_(point)),
            ("extras", pa.map_(pa.string(), pa.string())),
            ("band", pa.string()),
            ("digest", pa.binary(2)),
            ("stamp", pa.binary()),
        ]
    )


def test_alerts_come_back_row_by_row(tmp_path: Path) -> None:
    schema = make_schema(**FIELDS)
    table = AlertTable(tmp_path / "new" / "alerts.parquet")
    records = [a_record(number) for number in range(1201)]
    for record in records:
        table.add(make_alert(record, schema))
    assert not (tmp_path / "new" / "alerts.parquet").exists()
    table.close()
    table.close()
    assert pq.read_table(tmp_path / "new" / "alerts.parquet").to_pylist() == records


def test_without_alerts_there_is_no_file(tmp_path: Path) -> None:
    AlertTable(tmp_path / "alerts.parquet").close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "alerts.parquet"
    path.write_text("mine")
    with pytest.raises(UsageError, match="give --save another name"):
        AlertTable(path)


def test_a_change_of_schema_is_refused(tmp_path: Path) -> None:
    table = AlertTable(tmp_path / "alerts.parquet")
    table.add(make_alert({"a": 1}, make_schema(a="long")))
    table.add(make_alert({"a": 2}, make_schema(a="long")))
    with pytest.raises(UsageError, match="another schema"):
        table.add(make_alert({"a": 1.0}, make_schema(a="double")))


def test_a_field_of_several_types_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Parquet column"):
        arrow_schema(make_schema(a=["null", "long", "string"]))
