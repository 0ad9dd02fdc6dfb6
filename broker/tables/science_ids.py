"""The alert ids that science has, night by night: what makes a repeat a repeat."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from broker.tables.files import files_of, retry_while_replaced
from broker.tables.storage import Storage

Ids = npt.NDArray[np.int64]
# A stream works on a night or two; a replay of old nights visits them one after the other.
_NIGHTS_HELD = 8


@dataclass
class _Night:
    """Sorted ids, and for each the place in ``keys`` of the batch that has it."""

    ids: Ids
    owners: npt.NDArray[np.int32]
    keys: list[str]


class ScienceIds:
    """Sorted alert ids of the published science batches, held for the nights in play.

    Twelve bytes an alert: a night of ten million takes 120 MB.

    Parameters
    ----------
    storage
        The survey's folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._nights: OrderedDict[int, _Night] = OrderedDict()

    def of(self, night: int) -> Ids:
        """Sorted ids of a night."""
        return self._held(night).ids

    def contains(self, night: int, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of ``ids`` the night has."""
        held = self.of(night)
        if not held.size:
            return np.zeros(ids.size, dtype=bool)
        return np.asarray(held[_places(held, ids)] == ids)

    def batches_of(self, night: int, ids: Ids) -> list[str | None]:
        """Key of the batch that has each of ``ids``; None for one that the night does not have."""
        held = self._held(night)
        known = self.contains(night, ids)
        keys: list[str | None] = [None] * ids.size
        for place, owner in zip(
            np.flatnonzero(known), held.owners[_places(held.ids, ids[known])], strict=True
        ):
            keys[place] = held.keys[owner]
        return keys

    def add(self, night: int, ids: Ids, key: str) -> None:
        """Remember the ids of a batch that has been committed."""
        held, fresh = self._held(night), np.sort(ids)
        places = np.searchsorted(held.ids, fresh)
        held.ids = np.insert(held.ids, places, fresh)
        held.owners = np.insert(held.owners, places, len(held.keys))
        held.keys.append(key)

    def _held(self, night: int) -> _Night:
        if night not in self._nights:
            self._nights[night] = retry_while_replaced(lambda: self._read(night))
        self._nights.move_to_end(night)
        while len(self._nights) > _NIGHTS_HELD:
            self._nights.popitem(last=False)
        return self._nights[night]

    def _read(self, night: int) -> _Night:
        files = files_of(self._storage, "science", night, night)
        found = [
            *self._archived(path for paths in files.archived.values() for path in paths),
            *self._online(files.online),
        ]
        if not found:
            return _Night(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32), [])
        keys = [key for key, _ in found]
        ids = np.concatenate([some.to_numpy() for _, some in found])
        owners = np.repeat(np.arange(len(found), dtype=np.int32), [len(some) for _, some in found])
        order = np.argsort(ids)
        return _Night(ids[order], owners[order], keys)

    def _archived(self, paths: Iterable[str]) -> Iterator[tuple[str, pa.ChunkedArray]]:
        for path in paths:
            rows = self._table(path, ["alert_id", "batch"])
            for key in rows["batch"].unique():
                yield key.as_py(), rows.filter(pc.equal(rows["batch"], key))["alert_id"]

    def _online(
        self, batches: Mapping[tuple[int, str], Sequence[str]]
    ) -> Iterator[tuple[str, pa.ChunkedArray]]:
        for (_, key), paths in batches.items():
            for path in paths:
                yield key, self._table(path, ["alert_id"])["alert_id"]

    def _table(self, path: str, columns: list[str]) -> pa.Table:
        return pq.read_table(
            path, columns=columns, filesystem=self._storage.filesystem, partitioning=None
        )


def _places(held: Ids, ids: Ids) -> npt.NDArray[np.intp]:
    """Where each id is in the sorted ones, if it is there."""
    places = np.searchsorted(held, ids)
    places[places == held.size] = 0
    return places
