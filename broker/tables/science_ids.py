"""Alert ids that science has, night by night: they make a duplicate a duplicate."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.nights import NightRange
from broker.tables.files import retry_while_replaced
from broker.tables.read_arrow import ALERT_ID, scan
from broker.tables.storage import Storage

Ids = npt.NDArray[np.int64]
# A stream works on a night or two; a replay of old nights visits them one after the other.
_NIGHTS_HELD = 8


@dataclass
class _Night:
    """Sorted ids, and for each the index in ``keys`` of the batch that has it."""

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
        """Whether the night has each of ``ids``."""
        held = self.of(night)
        if not held.size:
            return np.zeros(ids.size, dtype=bool)
        return np.asarray(held[_indices(held, ids)] == ids)

    def batches_of(self, night: int, ids: Ids) -> list[str | None]:
        """Key of the batch that has each of ``ids``; None for one that the night does not have."""
        held = self._held(night)
        known = self.contains(night, ids)
        keys: list[str | None] = [None] * ids.size
        owners = held.owners[_indices(held.ids, ids[known])]
        for index, owner in zip(np.flatnonzero(known), owners, strict=True):
            keys[index] = held.keys[owner]
        return keys

    def add(self, night: int, ids: Ids, key: str) -> None:
        """Remember the ids of a batch that has been committed."""
        held, fresh = self._held(night), np.sort(ids)
        indices = np.searchsorted(held.ids, fresh)
        held.ids = np.insert(held.ids, indices, fresh)
        held.owners = np.insert(held.owners, indices, len(held.keys))
        held.keys.append(key)

    def _held(self, night: int) -> _Night:
        if night not in self._nights:
            self._nights[night] = retry_while_replaced(lambda: self._read(night))
        self._nights.move_to_end(night)
        while len(self._nights) > _NIGHTS_HELD:
            self._nights.popitem(last=False)
        return self._nights[night]

    def _read(self, night: int) -> _Night:
        numbers: dict[str, int] = {}
        ids, owners = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int32)]
        for rows in scan(self._storage, "science", NightRange(night, night), ALERT_ID):
            encoded = rows["batch"].dictionary_encode()
            found = [numbers.setdefault(k, len(numbers)) for k in encoded.dictionary.to_pylist()]
            ids.append(rows["alert_id"].to_numpy())
            owners.append(np.array(found, dtype=np.int32)[encoded.indices.to_numpy()])
        together = np.concatenate(ids)
        order = np.argsort(together)
        return _Night(together[order], np.concatenate(owners)[order], [*numbers])


def _indices(held: Ids, ids: Ids) -> npt.NDArray[np.intp]:
    """Index of each id in the sorted ones, if it is there."""
    indices = np.searchsorted(held, ids)
    indices[indices == held.size] = 0
    return indices
