"""A packet is told from those of other surveys by the fields that it has."""

from __future__ import annotations

from typing import Any

import pytest

from broker.client.identity import alert_id_of, object_id_of, paths_of
from broker.packets.fields import field_paths
from broker.surveys import SURVEYS, closest_paths, get_survey
from tests.crafted import (
    elasticc_record,
    pgir_record,
    schema_of,
    winter_record,
    ztf_record,
)

RECORDS = {
    **{"ztf": ztf_record, "elasticc": elasticc_record},
    **{"winter": winter_record, "pgir": pgir_record},
}


@pytest.mark.parametrize("name", SURVEYS)
def test_every_schema_is_of_its_own_survey(name: str) -> None:
    known = set(field_paths(schema_of(name)))
    candidates = [survey.packet for survey in SURVEYS.values()]
    assert closest_paths(candidates, known.__contains__) is get_survey(name).packet


@pytest.mark.parametrize("name", SURVEYS)
def test_every_record_is_of_its_own_survey(name: str) -> None:
    record: Any = RECORDS[name](7)
    assert paths_of(record) is get_survey(name).packet
    assert alert_id_of(record) == "7"
    assert object_id_of(record) is not None


def test_an_old_packet_of_ztf_without_drb_is_still_ztf_s() -> None:
    record = ztf_record(7)
    del record["candidate"]["drb"]
    assert paths_of(record) is get_survey("ztf").packet


def test_a_packet_without_time_or_id_is_nobody_s() -> None:
    assert paths_of({"candid": 7}) is None
