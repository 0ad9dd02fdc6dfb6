"""Packets that go out, read back with fastavro and the schema in their key."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StructType

from broker.filters import MATCHES, Filter
from broker.packets.schemas import fingerprint, parse_schema_text
from broker.pipeline.outgoing import Packets
from broker.science.engine.apply import apply_modules
from broker.settings import ScienceSettings
from broker.spark.types import to_spark_schema
from broker.surveys import get_survey
from tests.builders import write_batches
from tests.recorded_packets import elasticc_packets, ztf_packets
from tests.recorded_packets import raw_table as recorded_raw_table
from tests.science_rows import raw_rows, schema_of, science_rows

Rows = list[dict[str, Any]]
OWN_FIELDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "ztf": lambda row: {
        "objectId": row["object_id"],
        "candid": row["alert_id"],
        "cdsxmatch": "Unknown",
    },
    "elasticc": lambda row: {"diaSourceId": row["alert_id"]},
}


def make_filter(name: str, payload: str, survey: str = "ztf") -> Filter:
    return Filter(
        name=name, description="-", source="-", survey=survey, where="true", payload=payload
    )


def decode(value: bytes, schema: str) -> dict[str, Any]:
    stream = io.BytesIO(value)
    record = fastavro.schemaless_reader(stream, fastavro.parse_schema(json.loads(schema)), None)
    assert stream.read() == b""
    return record  # type: ignore[return-value]


def encode(
    rows: DataFrame, survey: str, payloads: Sequence[str], raw: Callable[[StructType], DataFrame]
) -> tuple[Packets, Rows]:
    """Every row, encoded for one filter of each payload that all of them pass."""
    filters = [make_filter(payload, payload, survey) for payload in payloads]
    packets = Packets(get_survey(survey), rows.schema, filters)
    matched = rows.withColumn(MATCHES, F.array(*(F.lit(k) for k in range(len(payloads)))))
    return packets, [row.asDict() for row in packets.rows(matched, raw).collect()]


@pytest.fixture
def written(
    spark: SparkSession, tmp_path: Path
) -> Callable[..., tuple[DataFrame, Callable[[StructType], DataFrame]]]:
    """Commit science rows with their raw rows, and read them as distribute does."""

    def write(survey: str, table: pa.Table) -> Any:
        (key,) = write_batches(tmp_path, survey, [table], raw=True)

        def read(area: str, columns: StructType) -> DataFrame:
            base = f"{tmp_path}/{survey}/online/{area}"
            reader = spark.read.schema(columns).option("basePath", base)
            return reader.parquet(f"{base}/night=*/batch={key}").drop("batch")

        columns = to_spark_schema(schema_of(survey), described=False)
        return read("science", columns), lambda columns: read("raw", columns)

    return write


@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_a_packet_is_its_science_row_with_the_fields_that_its_readers_look_for(
    written: Callable[..., Any], survey: str
) -> None:
    table = science_rows(survey, range(200))
    rows, raw = written(survey, table)
    packets, encoded = encode(rows, survey, ["full", "lite", "cutouts"], raw)
    cutouts = {
        row.pop("alert_id"): row for row in raw_rows(survey, table).to_pylist() if row.pop("ingest")
    }
    wanted = {row["alert_id"]: row for row in table.to_pylist()}
    assert sorted(row["alert_id"] for row in encoded) == sorted(wanted)
    for row in encoded:
        science = wanted[row["alert_id"]]
        full = OWN_FIELDS[survey](science) | science
        assert row["object_id"] == science["object_id"]
        assert decode(row["full"], packets.formats["full"].schema) == full
        lite = {name: value for name, value in full.items() if name != "lightcurve"}
        assert decode(row["lite"], packets.formats["lite"].schema) == lite
        images = {name: cutouts[row["alert_id"]][name] for name in get_survey(survey).cutouts}
        assert decode(row["cutouts"], packets.formats["cutouts"].schema) == full | images


@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_packets_of_recorded_alerts_read_back_exactly(
    spark: SparkSession, recorded_data: Path | None, survey: str
) -> None:
    recorded = (
        ztf_packets(recorded_data)[::5]
        if survey == "ztf"
        else elasticc_packets(recorded_data, nights=1)
    )
    raw = spark.createDataFrame(recorded_raw_table(recorded, survey))
    at = dt.datetime(2026, 11, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
    settings = ScienceSettings(modules=("real_bogus", "solar_system", "slope"))
    rows = apply_modules(raw, get_survey(survey), settings, at).cache()
    packets, encoded = encode(rows, survey, ["full"], lambda _: raw)
    wanted = {row["alert_id"]: row for row in rows.toArrow().to_pylist()}
    assert len(encoded) == rows.count() == len(recorded)
    for row in encoded:
        science = wanted[row["alert_id"]]
        record = decode(row["full"], packets.formats["full"].schema)
        assert record == OWN_FIELDS[survey](science) | science


def test_an_alert_is_encoded_for_the_filters_that_it_passes_alone(
    written: Callable[..., Any],
) -> None:
    table = science_rows("ztf", range(50))
    rows, raw = written("ztf", table)
    filters = [make_filter("a", "full"), make_filter("b", "cutouts"), make_filter("c", "full")]
    kinds = Packets(get_survey("ztf"), rows.schema, filters)
    passes = {
        alert_id: [[], [0], [1], [0, 2], [1, 2]][k % 5]
        for k, alert_id in enumerate(table["alert_id"].to_pylist())
    }
    by_id = F.create_map(
        *(
            item
            for alert_id, found in passes.items()
            for item in (F.lit(alert_id), F.array(*map(F.lit, found)).cast("array<int>"))
        )
    )
    found = kinds.rows(rows.withColumn(MATCHES, by_id[F.col("alert_id")]), raw).collect()
    assert {row["alert_id"]: row[MATCHES] for row in found} == {
        alert_id: wanted for alert_id, wanted in passes.items() if wanted
    }
    for row in found:
        assert (row["full"] is not None) == bool({0, 2} & set(row[MATCHES]))
        assert (row["cutouts"] is not None) == (1 in row[MATCHES])


def test_a_packet_kept_twice_in_raw_goes_out_once(
    spark: SparkSession, written: Callable[..., Any]
) -> None:
    rows, raw = written("ztf", science_rows("ztf", range(10)))
    _, encoded = encode(rows, "ztf", ["cutouts"], lambda columns: raw(columns).union(raw(columns)))
    assert len(encoded) == 10


def test_elasticc_gets_its_answer_to_every_alert(written: Callable[..., Any]) -> None:
    table = science_rows("elasticc", range(200))
    rows, raw = written("elasticc", table)
    packets, encoded = encode(rows, "elasticc", ["classification"], raw)
    alert_ids = {row["alert_id"]: row["alertId"] for row in raw_rows("elasticc", table).to_pylist()}
    wanted = {row["alert_id"]: row for row in table.to_pylist()}
    scored = 0
    for row in encoded:
        science = wanted[row["alert_id"]]
        message = decode(row["classification"], packets.formats["classification"].schema)
        assert message["diaSourceId"] == row["alert_id"]
        assert message["alertId"] == alert_ids[row["alert_id"]]
        published = science["ingest"]["kafka_timestamp"]
        assert message["elasticcPublishTimestamp"] == published
        classes = {c["classId"]: c["probability"] for c in message["classifications"]}
        classifier = science["classifier"] or {}
        if classifier.get("score") is None:
            assert classes == {300: 1.0}
            continue
        assert set(classes) == {2222, 2224, 200}
        probabilities = classifier["probabilities"] or {}
        assert classes[2222] == pytest.approx(probabilities.get("sn_ia") or 0.0, rel=1e-6)
        assert classes[2224] == pytest.approx(probabilities.get("sn_ii") or 0.0, rel=1e-6)
        assert sum(classes.values()) == pytest.approx(1.0, abs=1e-7)
        scored += 1
    assert len(encoded) == 200
    assert scored > 100


def test_the_schema_of_a_packet_says_whose_it_is() -> None:
    columns = to_spark_schema(schema_of("ztf"), described=False)
    schemas = [
        Packets(get_survey("ztf"), columns, [make_filter("a", payload)]).formats[payload]
        for payload in ("full", "lite", "cutouts")
    ]
    parsed = [parse_schema_text(kind.schema.encode()) for kind in schemas]
    assert {schema["name"] for schema in parsed} == {"nightjar.ztf.alert"}
    assert {schema["version"] for schema in parsed} == {"1.0"}
    assert [kind.fingerprint for kind in schemas] == [fingerprint(schema) for schema in parsed]
    assert len({kind.fingerprint for kind in schemas}) == 3
