"""Where packets come from: files, archives, a raw Parquet night."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from broker.errors import InputError
from broker.packets.files import OnError, StoredPacket, is_archive, iterate_packets, packet_files
from broker.packets.reasons import Reason
from broker.simulator.replay import iterate_rows
from broker.surveys import Survey

# A spool smaller than this stays in memory.
_SPOOL_BYTES = 16 * 1024 * 1024


class Shelf(Protocol):
    """Packets of one group, within reach in any order."""

    def read(self, number: int) -> StoredPacket:
        """Packet by its number in the group."""

    def close(self) -> None:
        """Free what the packets take."""


class Group(Protocol):
    """Packets that lie together: a file, an archive, a table."""

    def packets(self, on_error: OnError) -> Iterator[StoredPacket]:
        """All packets in stored order, one at a time; the same ones each time."""

    def shelf(self) -> Shelf:
        """The packets in any order."""


class Spool:
    """Packets in a temporary file: what lies in an archive cannot be reached otherwise."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115
        # Whoever holds the packets of a whole night never closes it.
        weakref.finalize(self, self._file.close)
        self._places: list[tuple[str, int, int]] = []

    def add(self, packet: StoredPacket) -> None:
        """Append a packet; it gets the next number."""
        start = self._file.seek(0, 2)
        try:
            self._file.write(packet.value)
        except OSError as error:
            raise InputError(
                f"cannot unpack {packet.name} to {tempfile.gettempdir()}: {error.strerror}; "
                "set TMPDIR to a folder with more space",
                reason=Reason.UNREADABLE,
            ) from None
        self._places.append((packet.name, start, len(packet.value)))

    def read(self, number: int) -> StoredPacket:
        """Packet by its number."""
        if number >= len(self._places):
            raise InputError("the archive changed while it was played", reason=Reason.UNREADABLE)
        name, start, length = self._places[number]
        self._file.seek(start)
        return StoredPacket(name, self._file.read(length))

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()


class PacketFile:
    """A file with one packet: its own shelf."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def packets(self, on_error: OnError) -> Iterator[StoredPacket]:
        """Its packet."""
        return iterate_packets(self._path, on_error=on_error)

    def shelf(self) -> PacketFile:
        """The file itself."""
        return self

    def read(self, _number: int) -> StoredPacket:
        """Its packet."""
        return next(iterate_packets(self._path))

    def close(self) -> None:
        """Nothing is open."""


class PacketArchive:
    """A tar archive: on a shelf only while its turn lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def packets(self, on_error: OnError) -> Iterator[StoredPacket]:
        """Its members, straight from the archive."""
        return iterate_packets(self._path, on_error=on_error)

    def shelf(self) -> Spool:
        """Its members, unpacked."""
        spool = Spool()
        for packet in self.packets(on_error=_told_before):
            spool.add(packet)
        return spool


class ParquetNight:
    """Rows of the raw table as packets; encoding them is slow, so it happens once."""

    def __init__(self, path: Path, survey: Survey) -> None:
        self._rows = partial(iterate_rows, path, survey)
        self._spool = Spool()

    def packets(self, on_error: OnError) -> Iterator[StoredPacket]:
        """Packets of the rows, in the table's order."""
        for packet in self._rows(on_error):
            self._spool.add(packet)
            yield packet

    def shelf(self) -> ParquetNight:
        """The packets that were iterated."""
        return self

    def read(self, number: int) -> StoredPacket:
        """Packet by its number."""
        return self._spool.read(number)

    def close(self) -> None:
        """Keep the packets: a further round needs them again."""


def find_groups(source: Path, survey: Survey) -> list[Group]:
    """Everything under ``source`` that holds packets.

    Parameters
    ----------
    source
        A packet, an archive, a raw Parquet file, or a folder of such.
    survey
        Of Parquet rows.

    Raises
    ------
    InputError
        There is nothing.
    """
    if source.suffix == ".parquet":
        return [ParquetNight(source, survey)]
    try:
        files = packet_files(source)
    except InputError:
        if source.is_dir() and next(source.rglob("*.parquet"), None):
            return [ParquetNight(source, survey)]
        raise
    return [PacketArchive(path) if is_archive(path) else PacketFile(path) for path in files]


def _told_before(_error: InputError) -> None:
    """The first pass named what cannot be read."""
