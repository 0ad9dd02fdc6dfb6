"""The alert ids that science has, night by night: what makes a repeat a repeat."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from broker.areas import files_of, read_whole
from broker.storage import Storage

Ids = npt.NDArray[np.int64]
# A stream works on a night or two; a replay of old nights visits them one after the other.
_NIGHTS_HELD = 8


class ScienceIds:
    """Sorted alert ids of the published science batches, held for the nights in play.

    Eight bytes an alert: a night of ten million takes 80 MB.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._nights: OrderedDict[int, Ids] = OrderedDict()

    def of(self, night: int) -> Ids:
        """Sorted ids of a night."""
        if night not in self._nights:
            self._nights[night] = self._load(night)
        self._nights.move_to_end(night)
        while len(self._nights) > _NIGHTS_HELD:
            self._nights.popitem(last=False)
        return self._nights[night]

    def contains(self, night: int, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of ``ids`` the night has."""
        held = self.of(night)
        if not held.size:
            return np.zeros(ids.size, dtype=bool)
        places = np.searchsorted(held, ids)
        places[places == held.size] = 0
        return np.asarray(held[places] == ids)

    def add(self, night: int, ids: Ids) -> None:
        """Remember the ids of a batch that has been committed."""
        held, fresh = self.of(night), np.sort(ids)
        self._nights[night] = np.insert(held, np.searchsorted(held, fresh), fresh)

    def _load(self, night: int) -> Ids:
        found = read_whole(lambda: self._read(night))
        return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)

    def _read(self, night: int) -> list[Ids]:
        files = files_of(self._storage, "science", night, night)
        paths = [path for some in (files.archived, files.online) for path in some.values()]
        return [self._ids_in(path) for some in paths for path in some]

    def _ids_in(self, path: str) -> Ids:
        column = pq.read_table(
            path, columns=["alert_id"], filesystem=self._storage.filesystem, partitioning=None
        )["alert_id"]
        return np.asarray(column.to_numpy(), dtype=np.int64)
