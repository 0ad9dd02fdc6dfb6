"""The same alert in any framing becomes the same row; what is framed wrongly is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from broker.errors import SettingsError
from broker.packets.framing import Encoder, Framing
from broker.packets.schemas import load_schema
from broker.settings import PROJECT_ROOT
from tests.crafted import elasticc_record, schema_of, ztf_record
from tests.spark.ingesting import Ingester
from tests.spark.oracle import differences

Make = Callable[..., Ingester]
SCHEMAS = PROJECT_ROOT / "schemas"
WORDS: dict[tuple[str, Framing], tuple[str, ...]] = {
    ("ztf", "container"): (),
    ("ztf", "bare"): ("ingest.framing=bare", f"ingest.schema={SCHEMAS / 'ztf/4.02'}"),
    ("ztf", "confluent"): ("ingest.framing=confluent", f"ingest.schema={SCHEMAS / 'ztf'}"),
    ("elasticc", "container"): ("ingest.framing=container",),
    ("elasticc", "bare"): (),
    ("elasticc", "confluent"): (
        "ingest.framing=confluent",
        f"ingest.schema={SCHEMAS / 'elasticc'}",
    ),
}
RECORDS: dict[str, Callable[[int], Any]] = {"ztf": ztf_record, "elasticc": elasticc_record}
# Rubin's rule: major × 100 + minor.
IDS = {"ztf": 402, "elasticc": 9}


def encode(survey: str, framing: Framing, numbers: range) -> list[bytes]:
    encoder = Encoder(schema_of(survey), framing, IDS[survey])
    return [encoder.encode(RECORDS[survey](number)) for number in numbers]


@pytest.mark.parametrize(("survey", "framing"), list(WORDS))
def test_any_survey_may_come_in_any_framing(ingester: Make, survey: str, framing: Framing) -> None:
    batch = ingester(survey, *WORDS[survey, framing])(encode(survey, framing, range(3)))
    assert batch.reasons() == {}
    for number, row in enumerate(batch.raw()):
        record = RECORDS[survey](number)
        assert differences(record, {name: row[name] for name in record}) == []


def test_confluent_rubbish_is_quarantined_with_its_reason(ingester: Make) -> None:
    sound = encode("ztf", "confluent", range(1))[0]
    cases: dict[bytes | None, str] = {
        None: "empty",
        b"": "empty",
        b"\0": "not_confluent",
        sound[:4]: "not_confluent",
        b"\1" + sound[1:]: "not_confluent",
        b"\0\0\0\x01\x93" + sound[5:]: "schema_unknown",
        b"\0\xff\xff\xff\xff" + sound[5:]: "schema_unknown",
        # The id's bytes the other way round.
        b"\0" + sound[1:5][::-1] + sound[5:]: "schema_unknown",
        sound[:5]: "decode_failed",
        sound[:-600]: "decode_failed",
    }
    batch = ingester("ztf", *WORDS["ztf", "confluent"])([*cases, sound])
    assert batch.reasons() == dict(enumerate(cases.values()))
    assert batch.offsets() == [len(cases)]


def test_bare_packets_of_another_schema_do_not_pass_for_alerts(ingester: Make) -> None:
    newer = load_schema(SCHEMAS / "elasticc" / "0.9.1")
    record = elasticc_record(5)
    source = {field["name"]: None for field in newer["fields"][1]["type"]["fields"]}
    wrong = [
        Encoder(schema_of("ztf"), "bare").encode(ztf_record(1)),
        Encoder(schema_of("ztf"), "container").encode(ztf_record(1)),
        Encoder(schema_of("elasticc"), "confluent", 9).encode(record),
        random.Random(2).randbytes(3_000),
        bytes(3_000),
        b"\xff" * 3_000,
        b"",
        None,
    ]
    assert source
    sound = encode("elasticc", "bare", range(1))
    batch = ingester("elasticc")([*wrong, *sound])
    assert batch.offsets() == [len(wrong)]
    assert sorted(batch.reasons()) == list(range(len(wrong)))


@pytest.mark.parametrize("framing", ["bare", "confluent"])
def test_a_framing_without_its_schema_setting_is_refused_at_the_start(
    ingester: Make, framing: str
) -> None:
    with pytest.raises(SettingsError, match=r"needs ingest\.schema"):
        ingester("ztf", f"ingest.framing={framing}")
