"""Remove what the archive has replaced, when readers have had their time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from broker.nights import NightRange
from broker.sinks.night_version import remove
from broker.tables.closed_nights import ClosedNight, ClosedNights
from broker.tables.files import archived_batches
from broker.tables.layout import (
    ONLINE,
    VERSIONS,
    batch_folder,
    batch_of,
    night_folder,
    night_of,
    state_of,
)
from broker.tables.storage import Storage

# A query that has begun on the old files may still read them.
_READERS_TIME = dt.timedelta(hours=1)


def remove_taken_batches(storage: Storage, keep_days: float, now: dt.datetime) -> int:
    """Remove exactly those online batches that the archive has had for so long; their number."""
    due: list[str] = []
    for night in ClosedNights(storage).nights():
        state = ClosedNights(storage).current(night)
        if state is not None:
            due += _due(storage, state, now - dt.timedelta(days=keep_days))
    remove(storage, due)
    return len(due)


def remove_old_versions(
    storage: Storage, tables: Iterable[str], now: dt.datetime, nights: NightRange | None = None
) -> int:
    """Remove replaced versions of nights, all but those of the last hour; their number."""
    due: list[str] = []
    for table in tables:
        for night in map(night_of, storage.names(VERSIONS[table])):
            if nights is None or night in nights:
                due += _old_versions(storage, table, night, now)
    remove(storage, due)
    return len(due)


def _due(storage: Storage, state: ClosedNight, taken_until: dt.datetime) -> Iterator[str]:
    for table, area in ONLINE.items():
        folder = night_folder(area, state.night)
        online = frozenset(map(batch_of, storage.names(folder)))
        batches = [
            batch.key
            for batch in state.batches
            if batch.taken_at <= taken_until and batch.key in online
        ]
        # The ledger says so; the files have the last word.
        held = archived_batches(storage, table, state.night) if batches else frozenset()
        yield from (batch_folder(area, state.night, key) for key in batches if key in held)


def _old_versions(storage: Storage, table: str, night: int, now: dt.datetime) -> Iterator[str]:
    closed = ClosedNights(storage)
    replaced_by = dict(zip(closed.keys(night), closed.keys(night)[1:], strict=False))
    folder = night_folder(VERSIONS[table], night)
    for name in storage.names(folder):
        successor = replaced_by.get(state_of(name))
        if successor and closed.state(night, successor).closed_at <= now - _READERS_TIME:
            yield f"{folder}/{name}"
