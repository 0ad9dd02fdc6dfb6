"""The audit of Kafka positions: each offset of a batch is in its files, once, and no other is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds

from broker.audit.finding import Finding
from broker.nights import NightRange
from broker.tables.layout import AREAS
from broker.tables.ledger_row import LedgerRow
from broker.tables.read_arrow import POSITION, rows_of_table
from broker.tables.storage import Storage

Offsets = npt.NDArray[np.int64]
Place = tuple[str, int]
"""Topic and partition."""
_MOST_NAMED = 5


def check_positions(storage: Storage, rows: Sequence[LedgerRow], nights: NightRange) -> Finding:
    """Per batch: each offset that was read is in raw or in quarantine, and in raw only once.

    Batches that also have rows of other nights than those asked for are not looked at for what is
    missing, since part of them is not read.
    """
    raw = rows_of_table(storage, "raw", nights, POSITION)
    found = _by_batch(raw)
    refused = _by_batch(_quarantined(storage))
    differences = []
    for row in rows:
        differences += _misplaced(row, found.get(row.key, {}))
        if row.stage == "raw" and all(item.night in nights for item in row.by_night):
            differences += _missing(row, found.get(row.key, {}), refused.get(row.key, {}))
    distinct = raw.group_by(["topic", "partition", "offset"]).aggregate([]).num_rows
    return Finding(
        "per batch: each offset once, in raw or in quarantine",
        f"{raw.num_rows} rows, {distinct} positions, {raw.num_rows - distinct} of them read again",
        tuple(sorted(differences)),
    )


def check_replayed_once(replayed: Iterable[LedgerRow]) -> Finding:
    """Per packet: quarantine brought it back at most once."""
    counts = Counter(
        (span.topic, span.partition, offset)
        for row in replayed
        for span in row.offsets
        for offset in range(span.start, span.until)
    )
    return Finding(
        "per packet: replayed from quarantine at most once",
        f"{len(counts)} packets",
        tuple(
            f"topic {topic}, partition {partition}, offset {offset}: replayed {n} times"
            for (topic, partition, offset), n in sorted(counts.items())
            if n > 1
        ),
    )


def named_offsets(offsets: Iterable[int]) -> str:
    """Offsets as ranges, the first of them."""
    ordered = np.unique(np.fromiter(offsets, dtype=np.int64))
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1)
    names = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    more = f" and {len(names) - _MOST_NAMED} further ranges" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _misplaced(row: LedgerRow, found: dict[Place, Offsets]) -> list[str]:
    """Raw rows of a batch that are there twice, or that its offsets don't have."""
    differences = []
    for place, offsets in found.items():
        twice = len(offsets) - len(np.unique(offsets))
        outside = offsets[~np.isin(offsets, _said(row).get(place, _NONE))]
        if twice or len(outside):
            differences.append(
                f"raw, batch {row.key}, topic {place[0]}, partition {place[1]}: {twice} rows are "
                f"there twice, {len(outside)} are not in the batch's offsets"
                + (f" ({named_offsets(outside)})" if len(outside) else "")
            )
    return differences


def _missing(
    row: LedgerRow, found: dict[Place, Offsets], refused: dict[Place, Offsets]
) -> list[str]:
    """Offsets of a batch that are in neither table, beyond those that Kafka keeps for itself."""
    said = _said(row)
    lost = {
        place: np.setdiff1d(
            offsets, np.concatenate([found.get(place, _NONE), refused.get(place, _NONE)])
        )
        for place, offsets in said.items()
    }
    # Transactions and compaction leave offsets without a record.
    without_record = sum(len(offsets) for offsets in said.values()) - row.read
    n_lost = sum(len(offsets) for offsets in lost.values()) - without_record
    if n_lost <= 0:
        return []
    return [
        f"batch {row.key}: {n_lost} packets are neither in raw nor in quarantine; topic {topic}, "
        f"partition {partition}, offsets {named_offsets(offsets)}"
        for (topic, partition), offsets in lost.items()
        if len(offsets)
    ]


_NONE: Offsets = np.empty(0, dtype=np.int64)


def _said(row: LedgerRow) -> dict[Place, Offsets]:
    """All offsets of a batch's ranges."""
    ranges: dict[Place, list[Offsets]] = defaultdict(list)
    for span in row.offsets:
        ranges[span.topic, span.partition].append(np.arange(span.start, span.until))
    return {place: np.concatenate(parts) for place, parts in ranges.items()}


def _by_batch(positions: pa.Table) -> dict[str, dict[Place, Offsets]]:
    found: dict[str, dict[Place, Offsets]] = defaultdict(dict)
    groups = positions.group_by(["batch", "topic", "partition"]).aggregate([("offset", "list")])
    for key, topic, partition, offsets in zip(
        *(groups[name] for name in ("batch", "topic", "partition", "offset_list")), strict=True
    ):
        numbers = offsets.values.to_numpy().astype(np.int64)
        found[key.as_py()][topic.as_py(), partition.as_py()] = numbers
    return found


def _quarantined(storage: Storage) -> pa.Table:
    """Batch and Kafka position of every packet in quarantine."""
    columns = {"batch": pa.string(), "topic": pa.string(), "partition": pa.int32()}
    if not storage.names(AREAS["quarantine"]):
        return pa.schema([*columns.items(), ("offset", pa.int64())]).empty_table()
    layout = pa.schema([("night", pa.int32()), ("batch", pa.string())])
    packets = ds.dataset(
        storage.path(AREAS["quarantine"]),
        filesystem=storage.filesystem,
        format="parquet",
        partitioning=ds.partitioning(layout, flavor="hive"),
    )
    return packets.to_table(columns=[*columns, "offset"])
