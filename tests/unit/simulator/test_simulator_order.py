"""A stored night comes out by time, whatever it lies in."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.errors import InputError
from broker.packets.framing import Decoder, encode
from broker.packets.schemas import Schema, parse_schema
from broker.simulator import sources
from broker.simulator.order import StoredNight
from broker.simulator.report import Skipped
from broker.simulator.sources import PacketArchive, Spool, find_groups
from broker.surveys import get_survey

Make = Callable[..., bytes]
MakeArchive = Callable[..., Path]


def night_of(
    folder: Path, schema: Schema | None = None, skipped: Skipped | None = None
) -> StoredNight:
    groups = find_groups(folder, get_survey("ztf"))
    return StoredNight(groups, Decoder(schema=schema), skipped or Skipped(strict=False))


def names(night: StoredNight) -> list[str]:
    return [alert.name.rpartition("/")[2] for alert in night.alerts()]


def test_files_come_by_time_not_by_name(tmp_path: Path, make_ztf: Make) -> None:
    for name, jd in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        (tmp_path / f"{name}.avro").write_bytes(make_ztf(1, jd))
    night = night_of(tmp_path)
    assert names(night) == ["b.avro", "c.avro", "a.avro"]
    assert [alert.days for alert in night.alerts()] == [0, 1, 2]
    assert (night.available, night.span_days) == (3, 2.0)


def test_equal_times_keep_their_stored_order(tmp_path: Path, make_ztf: Make) -> None:
    for name in "dacb":
        (tmp_path / f"{name}.avro").write_bytes(make_ztf(ord(name), 1.0))
    assert names(night_of(tmp_path)) == ["a.avro", "b.avro", "c.avro", "d.avro"]


def test_values_are_the_files_own_bytes(tmp_path: Path, make_ztf: Make) -> None:
    packet = make_ztf(5, 1.0)
    (tmp_path / "a.avro.gz").write_bytes(gzip.compress(packet))
    (alert,) = night_of(tmp_path).alerts()
    assert (alert.value, alert.object_id) == (packet, "ZTF185")


def test_bare_files_are_read_with_the_schema(
    tmp_path: Path, make_elasticc: Make, elasticc_schema: Schema
) -> None:
    (tmp_path / "a.avro").write_bytes(make_elasticc(1, 60_000.5))
    (alert,) = night_of(tmp_path, elasticc_schema).alerts()
    assert alert.object_id == "7"


def test_archives_of_several_nights_interleave(
    tmp_path: Path, make_ztf: Make, archive: MakeArchive
) -> None:
    first = {f"n/{jd}.avro": make_ztf(int(jd), jd) for jd in (5.0, 1.0, 3.0)}
    second = {f"m/{jd}.avro": make_ztf(int(jd), jd) for jd in (4.0, 2.0)}
    archive(tmp_path / "NITE1.tar.gz", first)
    archive(tmp_path / "NITE2.tar.gz", second)
    assert names(night_of(tmp_path)) == [f"{jd}.0.avro" for jd in (1, 2, 3, 4, 5)]


def test_an_archive_is_unpacked_only_while_its_turn_lasts(
    tmp_path: Path, make_ztf: Make, archive: MakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        times = (number * 10.0, number * 10.0 + 1)
        members = {f"{jd}.avro": make_ztf(int(jd), jd) for jd in times}
        archive(tmp_path / f"NITE{number}.tar.gz", members)
    is_open: set[int] = set()
    most: list[int] = []

    class Watched(Spool):
        def __init__(self) -> None:
            super().__init__()
            is_open.add(id(self))
            most.append(len(is_open))

        def close(self) -> None:
            super().close()
            is_open.discard(id(self))

    night = night_of(tmp_path)
    monkeypatch.setattr(sources, "Spool", Watched)
    assert len(list(night.alerts())) == 10
    assert (len(most), max(most), is_open) == (5, 1, set())


def test_a_night_can_be_played_again(tmp_path: Path, make_ztf: Make, archive: MakeArchive) -> None:
    archive(tmp_path / "NITE1.tar.gz", {f"{n}.avro": make_ztf(n, 9.0 - n) for n in range(4)})
    night = night_of(tmp_path)
    assert list(night.alerts()) == list(night.alerts())


def test_what_cannot_be_read_is_named_counted_and_skipped(
    tmp_path: Path, make_ztf: Make, archive: MakeArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.avro").write_bytes(make_ztf(1, 1.0))
    (tmp_path / "short.avro").write_bytes(make_ztf(2, 2.0)[:-30])
    (tmp_path / "notgzip.avro.gz").write_bytes(b"\x1f\x8bnonsense")
    whole = archive(tmp_path / "cut.tar.gz", {"x.avro": make_ztf(3, 3.0)}).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 3])
    members = {"bad.avro": b"no avro", "fine.avro": make_ztf(4, 0.5)}
    archive(tmp_path / "mixed.tar.gz", members)
    skipped = Skipped(strict=False)
    assert names(night_of(tmp_path, skipped=skipped)) == ["mixed.tar.gz:fine.avro", "good.avro"]
    assert skipped.count == 4
    told = capsys.readouterr().err
    for name in ("short.avro", "notgzip.avro.gz", "cut.tar.gz", "mixed.tar.gz:bad.avro"):
        assert name in told


def test_strict_stops_at_what_cannot_be_read(tmp_path: Path, make_ztf: Make) -> None:
    (tmp_path / "short.avro").write_bytes(make_ztf(2, 2.0)[:-30])
    with pytest.raises(InputError, match=r"short\.avro"):
        night_of(tmp_path, skipped=Skipped(strict=True))


def test_a_file_that_vanishes_while_playing_is_skipped(tmp_path: Path, make_ztf: Make) -> None:
    for n in range(3):
        (tmp_path / f"{n}.avro").write_bytes(make_ztf(n, float(n)))
    skipped = Skipped(strict=False)
    night = night_of(tmp_path, skipped=skipped)
    (tmp_path / "1.avro").unlink()
    assert names(night) == ["0.avro", "2.avro"]
    assert skipped.count == 1


def test_packets_of_no_known_survey_are_skipped_with_that_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = [{"name": "when", "type": "double"}]
    schema = parse_schema({"type": "record", "name": "strange", "fields": fields}, "test")
    (tmp_path / "a.avro").write_bytes(encode({"when": 1.0}, schema, "container"))
    assert night_of(tmp_path).available == 0
    assert "no known survey" in capsys.readouterr().err


def test_a_missing_or_empty_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        find_groups(tmp_path / "nowhere", get_survey("ztf"))
    with pytest.raises(InputError, match="holds no files"):
        find_groups(tmp_path, get_survey("ztf"))


def test_a_spool_gives_back_what_it_got_in_any_order(tmp_path: Path, archive: MakeArchive) -> None:
    members: dict[str, Any] = {f"{n}.avro": bytes([n]) * n for n in range(1, 50)}
    shelf = PacketArchive(archive(tmp_path / "a.tar.gz", members)).shelf()
    for number in (48, 0, 17):
        assert shelf.read(number).value == bytes([number + 1]) * (number + 1)
    with pytest.raises(InputError, match="changed"):
        shelf.read(49)
    shelf.close()
