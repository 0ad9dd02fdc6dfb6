"""Rows of a raw table become packets again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.packets.framing import Decoder
from broker.packets.schemas import Schema, load_schema
from broker.simulator.order import StoredNight
from broker.simulator.report import Skipped
from broker.simulator.sources import find_groups
from broker.surveys import get_survey

ELASTICC = get_survey("elasticc")


def example(node: Any, named: dict[str, Any], salt: int) -> Any:
    """Any value of an Avro type, null where it may be."""
    if isinstance(node, list):
        return None if "null" in node else example(node[0], named, salt)
    if isinstance(node, str) and node in named:
        return example(named[node], named, salt)
    kind = node["type"] if isinstance(node, dict) else node
    if kind == "record":
        named[node["name"]] = node
        return {f["name"]: example(f["type"], named, salt) for f in node["fields"]}
    simple = {"string": f"s{salt}", "bytes": b"b", "boolean": True, "null": None}
    return simple.get(kind, float(salt) if kind in ("float", "double") else salt)


def record(schema: Schema, number: int, mjd: float) -> dict[str, Any]:
    made: dict[str, Any] = example(schema, {}, number)
    made["diaSource"] |= {"diaSourceId": number, "diaObjectId": 7, "midPointTai": mjd}
    made["prvDiaSources"] = [made["diaSource"] | {"diaSourceId": number + 100}]
    made["cutoutDifference"] = b"\x00image"
    return made


def write_rows(path: Path, rows: list[dict[str, Any]], packets: list[bytes | None]) -> None:
    table = pa.Table.from_pylist(rows)
    kept = pa.array([{"topic": "t", "packet": packet} for packet in packets])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.append_column("ingest", kept).append_column("healpix29", [[1] * len(rows)]), path
    )


@pytest.fixture
def schema() -> Schema:
    return load_schema(ELASTICC.schema_folder)


def test_a_raw_night_comes_out_by_time_and_field_by_field(tmp_path: Path, schema: Schema) -> None:
    rows = {n: record(schema, n, 60_000.0 + n) for n in (3, 1, 2)}
    night = tmp_path / "raw" / "night=20230225"
    write_rows(night / "batch=a" / "0.parquet", [rows[3], rows[1]], [None, None])
    write_rows(night / "batch=b" / "0.parquet", [rows[2]], [None])
    played = StoredNight(find_groups(night, ELASTICC), Decoder(), Skipped(strict=True))
    packets = [Decoder().decode(alert.value) for alert in played.alerts()]
    assert [packet.record for packet in packets] == [rows[1], rows[2], rows[3]]
    assert {packet.schema["name"] for packet in packets} == {schema["name"]}
    assert list(played.alerts()) == list(played.alerts())


def test_a_row_that_kept_its_packet_gives_these_bytes(
    tmp_path: Path, schema: Schema, make_elasticc: Any, elasticc_schema: Schema
) -> None:
    kept = make_elasticc(5, 60_000.5, "container")
    write_rows(tmp_path / "0.parquet", [record(schema, 5, 60_000.5)], [kept])
    (alert,) = StoredNight(
        find_groups(tmp_path, ELASTICC), Decoder(), Skipped(strict=True)
    ).alerts()
    assert alert.value == kept


def test_a_row_of_an_older_packet_has_nulls_where_the_schema_wants_values(
    tmp_path: Path, schema: Schema
) -> None:
    old = record(schema, 5, 60_000.5)
    del old["alertId"]
    old["diaSource"]["filterName"] = None
    old["prvDiaSources"] = None
    write_rows(tmp_path / "0.parquet", [old], [None])
    (alert,) = StoredNight(
        find_groups(tmp_path, ELASTICC), Decoder(), Skipped(strict=True)
    ).alerts()
    assert Decoder().decode(alert.value).record == old | {"alertId": None}


def test_a_damaged_or_foreign_file_is_skipped(
    tmp_path: Path, schema: Schema, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path / "0.parquet", [record(schema, 5, 60_000.5)], [None])
    (tmp_path / "1.parquet").write_bytes(b"PAR1 no table")
    pq.write_table(pa.table({"other": [1]}), tmp_path / "2.parquet")
    skipped = Skipped(strict=False)
    night = StoredNight(find_groups(tmp_path, ELASTICC), Decoder(), skipped)
    assert (night.available, skipped.count) == (1, 2)
    told = capsys.readouterr().err
    assert "1.parquet" in told
    assert "2.parquet has none of the columns" in told
