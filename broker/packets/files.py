"""Files that hold packets: ``.avro``, ``.avro.gz``, and archives of them such as NITE*.tar.gz.

Everything is read one packet at a time, archives straight from their stream, so memory stays
flat however long the night is.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from broker.errors import InputError
from broker.packets.reasons import Reason

_PACKET_SUFFIXES = (".avro", ".avro.gz")
_ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar")
_GZIP_MAGIC = b"\x1f\x8b"
_READ_ERRORS = (OSError, EOFError, zlib.error, tarfile.TarError)

OnError = Callable[[InputError], None]


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """One packet of a file.

    ``name`` is the path, for a member of an archive ``<archive>:<member>``; ``value`` is the
    packet without gzip around it.
    """

    name: str
    value: bytes


def packet_files(source: Path, pattern: str = "*") -> list[Path]:
    """List files that hold packets, archives included, without opening any.

    Parameters
    ----------
    source
        A file, or a folder, which is searched with all its subfolders.
    pattern
        Shell pattern that the file names must match.

    Returns
    -------
    list of Path
        Sorted by path.

    Raises
    ------
    InputError
        ``source`` does not exist, or nothing in it holds packets.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"there is no file or folder {source}", reason=Reason.UNREADABLE)
    suffixes = _PACKET_SUFFIXES + _ARCHIVE_SUFFIXES
    found = sorted(
        path
        for path in source.rglob("*")
        if path.name.endswith(suffixes) and fnmatch(path.name, pattern) and path.is_file()
    )
    if not found:
        matching = "" if pattern == "*" else f" that match {pattern!r}"
        raise InputError(
            f"{source} holds no files{matching} with packets ({', '.join(suffixes)})",
            reason=Reason.UNREADABLE,
        )
    return found


def count_packets(source: Path, pattern: str = "*", on_error: OnError | None = None) -> int:
    """Count packets: plain files by name, archives by their list of members."""
    return sum(1 for _ in packet_names(source, pattern, on_error))


def packet_names(
    source: Path, pattern: str = "*", on_error: OnError | None = None
) -> Iterator[str]:
    """Name every packet in the order of :func:`iterate_packets`, reading no packet."""
    for path in packet_files(source, pattern):
        if not is_archive(path):
            yield str(path)
            continue
        try:
            with tarfile.open(path, "r|*") as archive:
                for member in _members(archive):
                    yield f"{path}:{member.name}"
        except _READ_ERRORS as error:
            _report(_unreadable(path, error), on_error)


def iterate_packets(
    source: Path, pattern: str = "*", on_error: OnError | None = None
) -> Iterator[StoredPacket]:
    """Read every packet of a file, archive or folder, in path order, archives in their own.

    Parameters
    ----------
    on_error
        Called with the error of a file, member or archive that cannot be read, which is then
        skipped (of a damaged archive, what follows the damage). Without it the error is raised.

    Raises
    ------
    InputError
        ``unreadable``, naming the file.
    """
    for path in packet_files(source, pattern):
        if is_archive(path):
            yield from _archive_packets(path, on_error)
        else:
            yield from _file_packet(path, on_error)


def is_archive(path: Path) -> bool:
    """Whether a file, by its name, is an archive of packets rather than one packet."""
    return path.name.endswith(_ARCHIVE_SUFFIXES)


def _file_packet(path: Path, on_error: OnError | None) -> Iterator[StoredPacket]:
    try:
        value = path.read_bytes()
    except OSError as error:
        _report(_unreadable(path, error), on_error)
    else:
        yield from _unzipped(str(path), value, on_error)


def _archive_packets(path: Path, on_error: OnError | None) -> Iterator[StoredPacket]:
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in _members(archive):
                content = archive.extractfile(member)
                if content is not None:
                    yield from _unzipped(f"{path}:{member.name}", content.read(), on_error)
    except _READ_ERRORS as error:
        _report(_unreadable(path, error), on_error)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        if member.isfile() and member.name.endswith(_PACKET_SUFFIXES):
            yield member
        # tarfile remembers every member, and a night may have tens of thousands.
        archive.members.clear()  # type: ignore[attr-defined]


def _unzipped(name: str, value: bytes, on_error: OnError | None) -> Iterator[StoredPacket]:
    """Yield the one packet, or nothing after reporting why not."""
    # By content: a .gz may come unpacked by its download, and the reverse.
    if value[:2] != _GZIP_MAGIC:
        yield StoredPacket(name, value)
        return
    try:
        unzipped = gzip.decompress(value)
    except _READ_ERRORS as error:
        _report(_unreadable(name, error), on_error)
    else:
        yield StoredPacket(name, unzipped)


def _unreadable(name: object, error: BaseException) -> InputError:
    return InputError(f"cannot read {name}: {error}", reason=Reason.UNREADABLE)


def _report(error: InputError, on_error: OnError | None) -> None:
    if on_error is None:
        raise error
    on_error(error)
