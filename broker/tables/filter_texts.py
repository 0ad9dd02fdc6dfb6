"""Texts of filters as they were when they ran, each kept under its digest."""

from __future__ import annotations

import tomllib

from broker.tables.layout import filter_text_path
from broker.tables.storage import Storage


class FilterTexts:
    """Texts of one survey's filters.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._kept: set[str] = set()
        self._where: dict[str, str | None] = {}

    def keep(self, digest: str, text: str) -> None:
        """Keep a text where it is not kept yet."""
        path = filter_text_path(digest)
        if digest not in self._kept and not self._storage.exists(path):
            self._storage.write_text(text, path)
        self._kept.add(digest)

    def where(self, digest: str) -> str | None:
        """Condition of a filter; None when its text was not kept."""
        if digest not in self._where:
            path = filter_text_path(digest)
            found = self._storage.exists(path)
            text = self._storage.read_text(path) if found else ""
            self._where[digest] = tomllib.loads(text)["where"] if found else None
        return self._where[digest]
