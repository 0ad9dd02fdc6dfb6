"""Every recorded packet comes in exactly once, and every field as fastavro reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from broker.packets.files import iterate_packets
from broker.packets.framing import Decoder
from broker.packets.schemas import load_schema
from broker.settings import PROJECT_ROOT
from tests.spark.ingesting import Batch, Ingester
from tests.spark.oracle import differences

Make = Callable[..., Ingester]
# What Nightjar adds to a packet.
OURS = {"alert_id", "object_id", "healpix29", "ingest", "night"}


def read(folder: Path) -> list[bytes]:
    values = [packet.value for packet in iterate_packets(folder)]
    assert values
    return values


def compare(batch: Batch, values: list[bytes], decoder: Decoder) -> None:
    """Every raw row holds its packet whole, in columns or, for fields without one, in bytes."""
    rows = batch.raw()
    wrong: dict[int, list[str]] = {}
    for row in rows:
        ingest = row["ingest"]
        value = values[ingest["offset"]]
        packet = {name: row[name] for name in row if name not in OURS}
        unknown = frozenset(ingest["unknown_fields"] or ())
        found = differences(decoder.decode(value).record, packet, unknown)
        if ingest["packet"] != (value if unknown else None):
            found.append("ingest.packet")
        if found:
            wrong[ingest["offset"]] = found
    assert wrong == {}


@pytest.mark.parametrize("name", ["ztf", "ztf_rebuilt"])
def test_every_ztf_packet_is_in_raw_once_and_whole(
    shared_data: Path, ingester: Make, name: str
) -> None:
    values = read(shared_data / name)
    batch = ingester("ztf")(values, files=4)
    assert batch.reasons() == {}
    assert batch.offsets() == list(range(len(values)))
    compare(batch, values, Decoder("container"))


def test_every_elasticc_prototype_is_in_raw_once_and_whole(
    shared_data: Path, ingester: Make
) -> None:
    values = read(shared_data / "elasticc" / "prototype")
    batch = ingester("elasticc", "ingest.framing=container")(values, files=4)
    assert batch.reasons() == {}
    assert batch.offsets() == list(range(len(values)))
    compare(batch, values, Decoder("container"))


@pytest.mark.parametrize("name", ["fink", "mlag_generated"])
def test_every_bare_elasticc_packet_is_in_raw_once_and_whole(
    shared_data: Path, ingester: Make, name: str
) -> None:
    values = read(shared_data / "elasticc" / name)
    batch = ingester("elasticc")(values, files=4)
    assert batch.reasons() == {}
    assert batch.offsets() == list(range(len(values)))
    schema = load_schema(PROJECT_ROOT / "schemas" / "elasticc" / "0.9")
    compare(batch, values, Decoder("bare", schema))


@pytest.mark.parametrize(
    ("survey", "name"),
    [("winter", "winter_kowalski"), ("winter", "winter_boom"), ("pgir", "pgir_kowalski")],
)
def test_every_infrared_packet_is_in_raw_once_and_whole(
    shared_data: Path, ingester: Make, survey: str, name: str
) -> None:
    values = read(shared_data / "other" / name)
    batch = ingester(survey)(values)
    assert batch.reasons() == {}
    assert batch.offsets() == list(range(len(values)))
    compare(batch, values, Decoder("container"))
    assert {row["ingest"]["packet"] for row in batch.raw(["ingest"])} == {None}


def test_legacy_packets_decode_or_are_quarantined_for_the_name_that_they_lack(
    shared_data: Path, ingester: Make
) -> None:
    names = [packet.name for packet in iterate_packets(shared_data / "ztf_legacy")]
    values = read(shared_data / "ztf_legacy")
    batch = ingester("ztf")(values)
    # The first two schemas have no objectId.
    nameless = [i for i, name in enumerate(names) if "2016" in name or "v1.1" in name]
    assert batch.reasons() == dict.fromkeys(nameless, "id_missing")
    assert batch.offsets() == sorted(set(range(len(values))) - set(nameless))
    compare(batch, values, Decoder("container"))


def test_every_malformed_packet_is_quarantined_with_a_fitting_reason(
    shared_data: Path, ingester: Make
) -> None:
    packets = list(iterate_packets(shared_data / "ztf_bad"))
    batch = ingester("ztf")([packet.value for packet in packets])
    assert batch.raw() == []
    reasons = {
        packet.name.rpartition("/")[2].partition("_")[0]: batch.reasons()[offset]
        for offset, packet in enumerate(packets)
    }
    assert reasons == {
        # A datum without its container.
        **dict.fromkeys(("021f713c", "2b81bde5", "f3a38f6a"), "not_avro"),
        # Its schema is a list of records.
        **dict.fromkeys(("07ffad90", "08b7c22d"), "container_form"),
        # Lost a byte where line endings were converted.
        **dict.fromkeys(
            ("28446897", "3e01a40e", "a6549614", "d579f67d", "eeb79599"), "decode_failed"
        ),
    }
