"""Iterating over files of alerts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.client import iterate
from broker.errors import FatalError, InputError, UsageError
from broker.packets.framing import encode
from broker.packets.schemas import Schema, schema_text


def test_an_alert_is_its_record_and_knows_where_it_came_from(night: Path) -> None:
    (alert,) = iterate(night / "2.avro")
    assert alert["objectId"] == "ZTF23aaa"
    assert json.loads(json.dumps(alert["candidate"]))["drb"] == 0.5
    assert alert.received.origin == str(night / "2.avro")
    assert alert.received.value == (night / "2.avro").read_bytes()
    assert alert.received.packet.version == "9.1"


def test_what_cannot_be_decoded_is_reported_counted_and_skipped(night: Path) -> None:
    errors: list[InputError] = []
    alerts = iterate(str(night), on_error=errors.append)
    assert [alert["candid"] for alert in alerts] == [1, 2, 3]
    assert (alerts.n_read, alerts.n_chosen, alerts.n_failed) == (4, 3, 1)
    assert "broken.avro" in str(errors[0])
    assert errors[0].reason == "truncated"


def test_without_a_handler_a_broken_packet_is_a_warning(night: Path) -> None:
    with pytest.warns(UserWarning, match=r"broken\.avro"):
        assert len(list(iterate(night))) == 3


def test_where_and_max_alerts_choose(night: Path) -> None:
    chosen = iterate(night, where="candidate.drb > 0.1", on_error=lambda _error: None)
    assert [alert["candid"] for alert in chosen] == [1, 2]
    assert [alert["candid"] for alert in iterate(night, max_alerts=1)] == [1]


def test_an_unknown_field_stops_at_the_first_alert(night: Path) -> None:
    with pytest.raises(UsageError, match=r"candidate\.magpfs.*did you mean candidate\.magpsf"):
        next(iterate(night, where="candidate.magpfs < 18"))


def test_a_field_that_only_newer_packets_have_is_null_in_older_ones(night: Path) -> None:
    newer = iterate(night, where="candidate.drbversion = 'd6'", on_error=lambda _error: None)
    assert list(newer) == []


def test_bare_packets_take_the_schema_that_is_given(
    tmp_path: Path, schema: Schema, record: Callable[..., dict[str, Any]]
) -> None:
    (tmp_path / "s.avsc").write_text(schema_text(schema))
    (tmp_path / "1.avro").write_bytes(encode(record(7), schema, "bare"))
    (alert,) = iterate(tmp_path, schema=tmp_path / "s.avsc")
    assert (alert["candid"], alert.received.packet.framing) == (7, "bare")


def test_a_path_that_is_not_there_is_not_taken_for_a_topic(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file or folder"):
        next(iterate(f"{tmp_path}/nothing"))


def test_servers_make_the_source_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.client.topic.CONNECT_SECONDS", 0.2)
    with pytest.raises(FatalError, match=r"no Kafka answers at 127\.0\.0\.1:1 "):
        next(iterate("/", servers="127.0.0.1:1"))


def test_an_option_that_kafka_does_not_know_is_named() -> None:
    with pytest.raises(UsageError, match=r"bootstrap\.sevrers"):
        next(iterate("topic", options={"bootstrap.sevrers": "here"}))


def test_recorded_packets_of_eight_versions_go_through_one_expression(shared_data: Path) -> None:
    alerts = iterate(shared_data / "ztf", where="candidate.drb > 0.5 AND candidate.isdiffpos = 't'")
    versions = {alert.received.packet.version for alert in alerts}
    assert versions == {"3.3", "3.5", "4.01", "4.02"}
    assert (alerts.n_read, alerts.n_chosen, alerts.n_failed) == (647, 123, 0)
