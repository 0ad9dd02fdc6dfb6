"""Packets of any schema version are read with their own schema, and nothing of them is lost."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

from broker.packets.schemas import Schema
from tests.crafted import (
    add_field,
    change_field,
    changed,
    container,
    drop_field,
    evolved,
    field_type,
    schema_of,
    ztf_history,
    ztf_packets,
    ztf_record,
)
from tests.spark.ingesting import Ingester
from tests.spark.oracle import differences

Make = Callable[..., Ingester]


def candidate(schema: Schema) -> Schema:
    record: Schema = field_type(schema, "candidate")
    return record


def history(schema: Schema) -> Schema:
    record: Schema = field_type(schema, "prv_candidates")["items"]
    return record


def with_history_of_its_own(schema: Schema) -> None:
    """The history's entries hold nulls, which the raw table's do not."""
    field_type(schema, "prv_candidates")["items"] = ["null", history(schema)]


# What a version changes; its record, from that of 4.02; fields that raw has no column for.
VERSIONS: dict[str, tuple[Callable[[Schema], None], Callable[[Any], Any], list[str]]] = {
    "a new field": (
        lambda schema: add_field(schema, "weather", "string"),
        lambda record: record | {"weather": "clear"},
        ["weather"],
    ),
    "a new field of the candidate": (
        lambda schema: add_field(candidate(schema), "snr", "float"),
        lambda record: changed(record, "candidate.snr", 7.5),
        ["candidate.snr"],
    ),
    "a new field of the history": (
        lambda schema: add_field(history(schema), "snr", ["null", "double"]),
        lambda record: record | {"prv_candidates": [ztf_history(2460400.5) | {"snr": 0.1}]},
        ["prv_candidates.snr"],
    ),
    "a new record": (
        lambda schema: add_field(schema, "site", {"type": "record", "name": "S", "fields": []}),
        lambda record: record | {"site": {}},
        ["site"],
    ),
    "a field less": (
        lambda schema: drop_field(schema, "fp_hists"),
        lambda record: {name: record[name] for name in record if name != "fp_hists"},
        [],
    ),
    "a field of the candidate less": (
        lambda schema: drop_field(candidate(schema), "drb"),
        lambda record: (
            record | {"candidate": {k: v for k, v in record["candidate"].items() if k != "drb"}}
        ),
        [],
    ),
    "a wider int": (
        lambda schema: change_field(candidate(schema), "ndethist", "long"),
        lambda record: changed(record, "candidate.ndethist", 2**40),
        ["candidate.ndethist"],
    ),
    "a wider float": (
        lambda schema: change_field(candidate(schema), "magpsf", "double"),
        lambda record: changed(record, "candidate.magpsf", 19.123456789),
        ["candidate.magpsf"],
    ),
    "an int instead of text": (
        lambda schema: change_field(candidate(schema), "isdiffpos", "int"),
        lambda record: changed(record, "candidate.isdiffpos", 1),
        ["candidate.isdiffpos"],
    ),
    "text instead of an int": (
        lambda schema: change_field(candidate(schema), "nid", ["null", "string"]),
        lambda record: changed(record, "candidate.nid", "two"),
        ["candidate.nid"],
    ),
    "nulls in the history": (
        with_history_of_its_own,
        lambda record: record | {"prv_candidates": [None, ztf_history(2460400.5)]},
        ["prv_candidates"],
    ),
    "a narrower long": (
        lambda schema: change_field(candidate(schema), "pid", "int"),
        lambda record: changed(record, "candidate.pid", 12345),
        [],
    ),
    "a narrower double": (
        lambda schema: change_field(candidate(schema), "jdstartref", "float"),
        lambda record: changed(record, "candidate.jdstartref", 0.5),
        [],
    ),
    "a field that may be null": (
        lambda schema: change_field(candidate(schema), "rbversion", ["null", "string"]),
        lambda record: changed(record, "candidate.rbversion", None),
        [],
    ),
    "other names of records": (
        lambda schema: candidate(schema).update(name="other.name.of.candidate"),
        lambda record: record,
        [],
    ),
}


def test_versions_never_seen_are_decoded_and_what_has_no_column_is_named_and_kept(
    ingester: Make,
) -> None:
    records, packets = [], []
    for change, update, _ in VERSIONS.values():
        record = update(copy.deepcopy(ztf_record(len(records))))
        records.append(record)
        packets.append(container(record, evolved(change)))
    batch = ingester("ztf")(packets)
    assert batch.reasons() == {}
    found = {}
    for name, row, record in zip(VERSIONS, batch.raw(), records, strict=True):
        unknown = row["ingest"]["unknown_fields"] or []
        kept = row["ingest"]["packet"]
        packet = {key: row[key] for key in {**record, **ztf_record(0)} if key in row}
        found[name] = (differences(record, packet, frozenset(unknown)), unknown, kept)
    assert found == {
        name: ([], unknown, packet if unknown else None)
        for (name, (_, _, unknown)), packet in zip(VERSIONS.items(), packets, strict=True)
    }


def test_not_a_number_and_infinity_stay_what_they_are(ingester: Make) -> None:
    odd = {"magpsf": math.nan, "distnr": math.inf, "scorr": -math.inf, "rb": -0.0}
    record = ztf_record(1, **odd) | {"prv_candidates": [ztf_history(2460400.5, magpsf=math.nan)]}
    (row,) = ingester("ztf")([container(record)]).raw()
    assert differences(record, {name: row[name] for name in record}) == []


def test_text_and_bytes_are_kept_to_the_letter(ingester: Make) -> None:
    texts = ["", " ", "null", "é∞𝄞", "line\nend", "\x00", "-999"]
    records = [changed(ztf_record(i), "candidate.ssnamenr", text) for i, text in enumerate(texts)]
    stamp = bytes(range(256)) * 400
    records[0]["cutoutScience"] = {"fileName": "a.fits", "stampData": stamp}
    rows = ingester("ztf")([container(record) for record in records]).raw()
    assert [row["candidate"]["ssnamenr"] for row in rows] == texts
    assert rows[0]["cutoutScience"]["stampData"] == stamp


def versions(count: int) -> list[bytes]:
    """Two packets each of so many schema versions."""
    packets = []
    for number in range(count):
        schema = evolved(lambda raw, n=number: add_field(raw, f"extra{n}", "int"))  # type: ignore[misc]
        record = ztf_record(number) | {f"extra{number}": number}
        packets += [container(record, schema)] * 2
    return packets


def test_a_batch_may_hold_more_versions_than_are_learnt_at_once(
    ingester: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.ingest.decoder.LEARN_AT_ONCE", 1)
    batch = ingester("ztf")(versions(3))
    assert batch.reasons() == {}
    assert batch.offsets() == list(range(6))


def test_versions_beyond_all_that_a_batch_can_learn_wait_in_quarantine(
    ingester: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.ingest.decoder.LEARN_AT_ONCE", 1)
    monkeypatch.setattr("broker.pipeline.ingest_batch._LEARNING_ROUNDS", 1)
    take = ingester("ztf")
    batch = take(versions(3))
    assert len(batch.offsets()) == 4
    assert set(batch.reasons().values()) == {"header_unknown"}
    assert "replay it from quarantine" in batch.quarantine()[0]["detail"]
    again = take([row["value"] for row in batch.quarantine()])
    assert again.offsets() == [0, 1]


def test_headers_are_remembered_across_restarts_but_not_those_of_a_single_packet(
    ingester: Make,
) -> None:
    packets = versions(2)
    ingester("ztf")(packets[:3])
    restarted = ingester("ztf")
    assert [header.schema.count("extra0") for header in restarted.decoder._known.headers] == [1]
    assert restarted(packets).offsets() == [0, 1, 2, 3]


def test_a_field_that_changes_nothing_for_the_reader_shares_its_schema_key(ingester: Make) -> None:
    documented = evolved(lambda schema: schema.update(doc="the same with words"))
    packets = [*ztf_packets([1, 2]), container(ztf_record(3), documented)]
    rows = ingester("ztf")(packets).raw(["ingest"])
    assert len({row["ingest"]["schema_key"] for row in rows}) == 1
    assert packets[0][:500] != packets[2][:500]
    assert schema_of("ztf").get("doc") is None
