"""Files of packets: folders, gzip, archives, and what is damaged among them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from broker.errors import InputError
from broker.packets.files import count_packets, iterate_packets, packet_files, packet_names


def archive(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def night(tmp_path: Path) -> Path:
    (tmp_path / "20240101").mkdir()
    (tmp_path / "20240101" / "2.avro").write_bytes(b"two")
    (tmp_path / "20240101" / "1.avro.gz").write_bytes(gzip.compress(b"one"))
    (tmp_path / "notes.txt").write_bytes(b"not a packet")
    members = {"n/b.avro": b"bee", "n/a.avro.gz": gzip.compress(b"ay"), "n/README": b"no"}
    archive(tmp_path / "NITE60000.tar.gz", members)
    return tmp_path


def test_packets_come_in_path_order_and_archives_in_their_own(night: Path) -> None:
    packets = [(p.name.removeprefix(f"{night}/"), p.value) for p in iterate_packets(night)]
    assert packets == [
        ("20240101/1.avro.gz", b"one"),
        ("20240101/2.avro", b"two"),
        ("NITE60000.tar.gz:n/b.avro", b"bee"),
        ("NITE60000.tar.gz:n/a.avro.gz", b"ay"),
    ]


def test_names_and_counts_agree_with_reading(night: Path) -> None:
    assert list(packet_names(night)) == [packet.name for packet in iterate_packets(night)]
    assert count_packets(night) == 4
    assert count_packets(night, "NITE*.tar.gz") == 2


def test_a_single_file_is_a_source_whatever_its_name(night: Path) -> None:
    (night / "packet").write_bytes(b"x")
    assert [packet.value for packet in iterate_packets(night / "packet")] == [b"x"]
    assert count_packets(night / "NITE60000.tar.gz") == 2


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "named.avro").write_bytes(gzip.compress(b"zipped"))
    (tmp_path / "named.avro.gz").write_bytes(b"plain")
    archive(tmp_path / "z.tar.gz", {"m.avro": b"in a plain tar"}, mode="w")
    values = [packet.value for packet in iterate_packets(tmp_path)]
    assert values == [b"zipped", b"plain", b"in a plain tar"]


def test_a_folder_without_packets_or_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no files with packets"):
        packet_files(tmp_path)
    with pytest.raises(InputError, match="gone"):
        packet_files(tmp_path / "gone")
    (tmp_path / "1.avro").touch()
    with pytest.raises(InputError, match=r"that match 'NITE\*'"):
        packet_files(tmp_path, "NITE*")


def test_damaged_files_members_and_archives_are_named_and_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.avro.gz").write_bytes(gzip.compress(b"cut short" * 99)[:-12])
    archive(tmp_path / "b.tar.gz", {"bad.avro": b"\x1f\x8bjunk", "good.avro": b"good"})
    whole = archive(tmp_path / "c.tar.gz", {"1.avro": b"1", "2.avro": bytes(range(256)) * 99})
    whole.write_bytes(whole.read_bytes()[:-300])
    (tmp_path / "d.tar.gz").write_bytes(b"no archive")
    (tmp_path / "e.avro").write_bytes(b"last")
    errors: list[str] = []
    packets = iterate_packets(tmp_path, on_error=lambda error: errors.append(str(error)))
    assert [packet.value for packet in packets] == [b"good", b"1", b"last"]
    names = [error.removeprefix(f"cannot read {tmp_path}/").split(": ")[0] for error in errors]
    assert names == ["a.avro.gz", "b.tar.gz:bad.avro", "c.tar.gz", "d.tar.gz"]


def test_without_a_handler_the_first_damaged_file_stops(tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(b"\x1f\x8bjunk")
    with pytest.raises(InputError, match=r"cannot read .*a\.avro") as caught:
        list(iterate_packets(tmp_path))
    assert caught.value.reason == "unreadable"


def test_the_shared_archives_hold_what_the_manifest_says(shared_data: Path) -> None:
    assert count_packets(shared_data / "elasticc/fink", "NITE*.tar.gz") == 8655
    assert count_packets(shared_data / "elasticc/prototype") == 4059
