"""Audit of Kafka positions: each offset of a batch is in its files, once, and no other is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from broker.audit.finding import Finding
from broker.kafka.positions import KafkaPosition, TopicPartition
from broker.nights import NightRange
from broker.tables.ledger_row import LedgerRow
from broker.tables.quarantine import quarantined_columns
from broker.tables.read_arrow import POSITION, rows_of_table
from broker.tables.storage import Storage

Offsets = npt.NDArray[np.int64]
_MOST_NAMED = 5


def check_positions(storage: Storage, rows: Sequence[LedgerRow], nights: NightRange) -> Finding:
    """Per batch: each offset that was read is in raw or in quarantine, and in raw only once.

    Batches that also have rows of other nights than those asked for are not looked at for what is
    missing, since part of them is not read.
    """
    raw = rows_of_table(storage, "raw", nights, POSITION)
    found = _by_batch(raw)
    refused = _by_batch(quarantined_columns(storage, ["batch", *KafkaPosition._fields]))
    differences = []
    for row in rows:
        differences += _misplaced(row, found.get(row.key, {}))
        if row.stage == "raw" and all(item.night in nights for item in row.by_night):
            differences += _missing(row, found.get(row.key, {}), refused.get(row.key, {}))
    distinct = raw.group_by([*KafkaPosition._fields]).aggregate([]).num_rows
    return Finding(
        "per batch: each offset once, in raw or in quarantine",
        f"{raw.num_rows} rows, {distinct} positions, {raw.num_rows - distinct} of them read again",
        tuple(sorted(differences)),
    )


def check_replayed_once(replayed: Iterable[LedgerRow]) -> Finding:
    """Per packet: quarantine brought it back at most once."""
    counts = Counter(position for row in replayed for position in row.positions())
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


def _misplaced(row: LedgerRow, found: dict[TopicPartition, Offsets]) -> list[str]:
    """Raw rows of a batch that are there twice, or that its offsets don't have."""
    differences = []
    for source, offsets in found.items():
        twice = len(offsets) - len(np.unique(offsets))
        outside = offsets[~np.isin(offsets, _said(row).get(source, _NONE))]
        if twice or len(outside):
            differences.append(
                f"raw, batch {row.key}, topic {source.topic}, partition {source.partition}: "
                f"{twice} rows are there twice, {len(outside)} are not in the batch's offsets"
                + (f" ({named_offsets(outside)})" if len(outside) else "")
            )
    return differences


def _missing(
    row: LedgerRow, found: dict[TopicPartition, Offsets], refused: dict[TopicPartition, Offsets]
) -> list[str]:
    """Offsets of a batch that are in neither table, beyond those that Kafka keeps for itself."""
    said = _said(row)
    lost = {
        source: np.setdiff1d(
            offsets, np.concatenate([found.get(source, _NONE), refused.get(source, _NONE)])
        )
        for source, offsets in said.items()
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


def _said(row: LedgerRow) -> dict[TopicPartition, Offsets]:
    """All offsets of a batch's ranges."""
    ranges: dict[TopicPartition, list[Offsets]] = defaultdict(list)
    for span in row.offsets:
        ranges[span.source].append(np.arange(span.start, span.until))
    return {source: np.concatenate(parts) for source, parts in ranges.items()}


def _by_batch(positions: pa.Table) -> dict[str, dict[TopicPartition, Offsets]]:
    found: dict[str, dict[TopicPartition, Offsets]] = defaultdict(dict)
    groups = positions.group_by(["batch", "topic", "partition"]).aggregate([("offset", "list")])
    for key, topic, partition, offsets in zip(
        *(groups[name] for name in ("batch", "topic", "partition", "offset_list")), strict=True
    ):
        numbers = offsets.values.to_numpy().astype(np.int64)
        source = TopicPartition(topic.as_py(), partition.as_py())
        found[key.as_py()][source] = numbers
    return found
