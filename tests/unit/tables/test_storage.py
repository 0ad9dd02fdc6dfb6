"""The file operations that commits are made of."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from broker.errors import PublishError
from broker.tables.storage import Storage, is_disk_full


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_text("one", "a/b/c.txt")
    storage.write_text("two", "a/b/c.txt")
    assert storage.read_text("a/b/c.txt") == "two"
    assert storage.names("a/b") == ["c.txt"]


def test_files_tell_when_they_were_written(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_text("one", "a/file")
    storage.make_folder("a/folder")
    os.utime(tmp_path / "a/file", (1e9, 1e9))
    assert storage.times("a") == {"file": 1e9}
    assert storage.times("nowhere") == {}


def test_a_move_makes_the_targets_parents_and_replaces_nothing(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_text("one", "from/file")
    storage.write_text("two", "to/there/file")
    storage.move("from", "to/new/place")
    assert storage.read_text("to/new/place/file") == "one"
    with pytest.raises(PublishError, match="exists already"):
        storage.move("to/new/place", "to/there")
    assert storage.read_text("to/there/file") == "two"


def test_what_is_not_there_has_no_names_and_is_deleted_without_a_word(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    assert storage.names("nowhere") == []
    assert not storage.exists("nowhere")
    storage.delete("nowhere")


def test_addresses_are_absolute_for_spark_and_for_pyarrow(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    assert storage.is_local
    assert storage.uri("a/b") == storage.path("a/b") == str(tmp_path / "a/b")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_known_by_its_code_and_by_javas_words(code: int) -> None:
    assert is_disk_full(OSError(code, os.strerror(code)))
    assert is_disk_full(RuntimeError(f"java.io.IOException: {os.strerror(code)}"))
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
