"""Messages that cannot be used go to quarantine, each with its reason; the rest flow on."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.crafted import ztf_packets
from tests.rubbish import (
    HEADER,
    SOUND,
    damaged_containers,
    damaged_lengths,
    damaged_schemas,
    senseless_values,
)
from tests.spark.ingesting import Ingester

Make = Callable[..., Ingester]


@pytest.mark.parametrize(
    "make", [damaged_lengths, damaged_containers, damaged_schemas, senseless_values]
)
def test_rubbish_is_quarantined_with_its_reason_and_what_is_sound_flows_on(
    ingester: Make, make: Callable[[], dict[str, tuple[bytes | None, str]]]
) -> None:
    cases = make()
    values = [value for spoilt, _ in cases.values() for value in (SOUND, spoilt)]
    batch = ingester("ztf")(values)
    reasons = batch.reasons()
    assert {name: reasons.get(2 * i + 1, "sound") for i, name in enumerate(cases)} == {
        name: reason for name, (_, reason) in cases.items()
    }
    assert batch.offsets() == sorted(set(range(len(values))) - reasons.keys())
    assert {row["offset"]: row["value"] for row in batch.quarantine()} == {
        offset: values[offset] for offset in reasons
    }
    assert all(row["detail"] for row in batch.quarantine())


def test_no_damaged_byte_stops_the_stream_or_loses_a_packet(ingester: Make) -> None:
    rng = random.Random(20240707)
    values = []
    for packet in ztf_packets(range(1, 81)):
        spoilt = bytearray(packet)
        # Half of them in the header, which is parsed in Python and becomes a plan in the JVM.
        most = len(HEADER) if rng.random() < 0.5 else len(packet)
        spoilt[rng.randrange(most)] ^= 1 << rng.randrange(8)
        values.append(bytes(spoilt))
    batch = ingester("ztf")([SOUND, SOUND, *values])
    assert batch.counted.read == len(values) + 2
    assert sorted([*batch.offsets(), *batch.reasons()]) == list(range(len(values) + 2))
    assert batch.offsets()[:2] == [0, 1]


def test_a_batch_of_rubbish_alone_has_no_raw_rows(ingester: Make) -> None:
    batch = ingester("ztf")([b"", b"x", SOUND[:10_000]])
    assert (batch.counted.read, batch.counted.written) == (3, 0)
    assert batch.reasons() == {0: "empty", 1: "not_avro", 2: "truncated"}


def test_an_empty_batch_has_no_rows_at_all(ingester: Make) -> None:
    batch = ingester("ztf")([])
    assert (batch.counted.read, batch.counted.written, batch.counted.quarantined) == (0, 0, 0)
    assert (batch.raw(), batch.quarantine()) == ([], [])
