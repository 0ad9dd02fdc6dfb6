"""Messages: framings, keys and fresh ids."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.errors import InputError, UsageError
from broker.packets.framing import Decoder, Framing, encode
from broker.packets.schemas import Schema, parse_schema, schema_text
from broker.simulator.fresh import with_fresh_ids
from broker.simulator.messages import Framer, Identifier, SimulatedAlert, StoredForm

Make = Callable[..., bytes]
Record = Callable[..., dict[str, Any]]


def alert(value: bytes) -> SimulatedAlert:
    return SimulatedAlert("a file", 0.0, "an object", value)


def framer(
    framing: Framing, stored: Schema | None = None, schema: Schema | None = None, **more: Any
) -> Framer:
    on_loss = more.pop("on_loss", pytest.fail)
    return Framer(StoredForm(stored, None), framing, schema, more.pop("schema_id", None), on_loss)


def test_a_container_is_sent_as_it_is_stored(make_ztf: Make) -> None:
    packet = make_ztf(1, 2.0)
    message = framer("container").message(alert(packet), 0, 0.0)
    assert (message.key, message.value) == (b"an object", packet)


@pytest.mark.parametrize("framing", ["container", "bare", "confluent"])
@pytest.mark.parametrize("stored", ["container", "bare"])
def test_every_framing_out_holds_the_same_alert(
    ztf_record: Record,
    make_ztf: Make,
    ztf_schema: Schema,
    tmp_path: Path,
    *,
    stored: Framing,
    framing: Framing,
) -> None:
    packet = make_ztf(1, 2.0, stored)
    schema = ztf_schema if stored == "bare" else None
    value = framer(framing, schema).message(alert(packet), 0, 0.0).value
    (tmp_path / "4.2").mkdir()
    (tmp_path / "4.2" / "alert.avsc").write_text(schema_text(ztf_schema))
    decoder = Decoder(framing, ztf_schema, tmp_path)
    assert decoder.decode(value).record == ztf_record(1, 2.0)
    assert value == make_ztf(1, 2.0, framing)


def test_the_schema_id_can_be_given(make_ztf: Make) -> None:
    value = framer("confluent", schema_id=7).message(alert(make_ztf(1, 2.0)), 0, 0.0).value
    assert value[:5] == b"\0\0\0\0\7"


def test_a_schema_without_a_version_needs_the_id(ztf_record: Record, ztf_schema: Schema) -> None:
    raw = {"type": "record", "name": "ztf.alert", "fields": ztf_schema["fields"]}
    packet = encode(ztf_record(1, 2.0), parse_schema(raw, "test"), "container")
    with pytest.raises(InputError, match="--schema-id"):
        framer("confluent").message(alert(packet), 0, 0.0)


def test_bare_messages_are_written_with_the_one_schema_and_what_it_lacks_is_told(
    ztf_record: Record, make_ztf: Make, ztf_schema: Schema
) -> None:
    fields = [f for f in ztf_schema["fields"] if f["name"] != "prv_candidates"]
    narrow = parse_schema({"type": "record", "name": "ztf.narrow", "fields": fields}, "test")
    lost: list[str] = []
    written = framer("bare", schema=narrow, on_loss=lost.append)
    values = [written.message(alert(make_ztf(n, 2.0)), 0, 0.0).value for n in (1, 2)]
    record = Decoder("bare", narrow).decode(values[0]).record
    assert record == {k: v for k, v in ztf_record(1, 2.0).items() if k != "prv_candidates"}
    assert len(lost) == 1
    assert "prv_candidates" in lost[0]


def test_fresh_ids_keep_everything_else_and_their_relations(ztf_record: Record) -> None:
    record = ztf_record(17, 2.0, "ZTF18abc")
    before = copy.deepcopy(record)
    fresh = with_fresh_ids(record, ("candid", "objectId"), 1)
    assert record == before
    assert fresh["candid"] == fresh["candidate"]["candid"] != 17
    assert fresh["objectId"] != "ZTF18abc"
    assert fresh["prv_candidates"][1]["candid"] is None
    assert fresh["candidate"]["jd"] == 2.0
    # The alert of the history is the same one that was sent as an alert before.
    earlier = with_fresh_ids(ztf_record(1017, 1.0, "ZTF18abc"), ("candid", "objectId"), 1)
    assert fresh["prv_candidates"][0]["candid"] == earlier["candid"]
    assert fresh["objectId"] == earlier["objectId"]


def test_fresh_ids_are_distinct_positive_longs_and_differ_by_round() -> None:
    found = {
        with_fresh_ids({"id": value}, ("id",), number)["id"]
        for value in range(1, 5001)
        for number in (1, 2)
    }
    assert len(found) == 10_000
    assert all(0 < value < 2**63 for value in found)


def test_missing_ids_stay_missing() -> None:
    record = {"a": None, "b": 0, "c": -999, "d": ""}
    assert with_fresh_ids(record, tuple("abcd"), 3) == record


def test_later_rounds_have_new_keys_and_valid_packets(make_ztf: Make) -> None:
    maker = framer("container")
    first, again = (maker.message(alert(make_ztf(5, 2.0)), number, 0.0) for number in (0, 1))
    record = Decoder().decode(again.value).record
    assert again.key == record["objectId"].encode() == b"ZTF185r1"
    assert maker.field(again, ["candid"]) == record["candid"] != maker.field(first, ["candid"])


def test_a_field_to_display_is_found_and_keeps_its_type(make_ztf: Make) -> None:
    maker = framer("container")
    message = maker.message(alert(make_ztf(5, 2459000.5)), 0, 0.0)
    assert str(maker.field(message, ["candid"])) == "5"
    assert str(maker.field(message, ["candidate", "jd"])) == "2459000.5"
    with pytest.raises(UsageError, match=r"candidate has no field 'mjd'.* jd, candid, drb"):
        maker.field(message, ["candidate", "mjd"])


def test_an_alert_without_object_is_known_by_its_own_id(
    elasticc_record: Record, elasticc_schema: Schema
) -> None:
    identifier = Identifier()
    whole = identifier.identify(elasticc_record(3, 60_000.5), elasticc_schema)
    lonely = identifier.identify(elasticc_record(3, 60_000.5, None), elasticc_schema)
    assert (whole.object_id, lonely.object_id) == ("7", "3")
    assert whole.time == 60_000.5


def test_a_time_that_is_none_is_refused(ztf_record: Record, ztf_schema: Schema) -> None:
    with pytest.raises(InputError, match="not a time"):
        Identifier().identify(ztf_record(1, float("nan")), ztf_schema)
