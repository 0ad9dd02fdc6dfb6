"""Lag of a stage: what is committed upstream and waits for it, and how late alerts arrive."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from broker.errors import FatalError
from broker.kafka.cluster import KafkaCluster
from broker.kafka.positions import TopicPartition
from broker.kafka.topic_names import matching
from broker.settings import Settings
from broker.tables.declaration import INSTANT
from broker.tables.ledger import Commit, Ledger
from broker.tables.ledger_row import LedgerRow
from broker.tables.read_arrow import Columns, batch_columns
from broker.tables.stages import DISTRIBUTE, RAW, SCIENCE, UPSTREAM
from broker.tables.storage import Storage
from broker.units import Floats

_DAY = 86_400.0
_PATIENCE_SECONDS = 3.0
# A partition that none of the latest 20 batches has read from has had nothing new for long.
_LATEST = 20
_ARRIVED: Columns = {"at": (pc.field("ingest", "kafka_timestamp"), INSTANT)}


@dataclass(frozen=True)
class Waiting:
    """Lag of a stage: alerts that wait for it, and when their oldest batch was committed."""

    alerts: int = 0
    since: float | None = None


class LedgerWatch:
    """Watch over the ledger: rows of some stages, each returned once.

    Parameters
    ----------
    storage
        The survey's folder.
    stages
        Whose rows.

    Attributes
    ----------
    ledger
        What it looks at.
    """

    def __init__(self, storage: Storage, stages: Sequence[str]) -> None:
        self.ledger = Ledger(storage)
        self._known: dict[str, dict[str, float]] = {stage: {} for stage in stages}

    def news(self) -> list[Commit]:
        """Batches committed since the last call (at the first: all), by time."""
        found = []
        for stage, known in self._known.items():
            times = self.ledger.commit_times(stage)
            fresh = self.ledger.some_rows(stage, times.keys() - known.keys())
            found += [Commit(row, times[key]) for key, row in fresh.items()]
            known.update(times)
        return sorted(found, key=lambda commit: commit.at)

    def skip(self) -> None:
        """Pass over what is committed by now."""
        for stage, known in self._known.items():
            known.update(self.ledger.commit_times(stage))

    def last(self, stage: str) -> float | None:
        """Time of the latest commit, as of the last look."""
        return max(self._known[stage].values(), default=None)


def waiting(ledger: Ledger, stage: str) -> Waiting:
    """Lag of a stage in the ledger; none for the first, whose lag is in Kafka."""
    left = ledger.waiting(stage, UPSTREAM[stage])
    alerts = sum(commit.row.written for commit in left)
    return Waiting(alerts, min((commit.at for commit in left), default=None))


def arrival_times(storage: Storage, row: LedgerRow) -> Floats:
    """Kafka's time of each alert of a committed batch (seconds since 1970), shape (n_alerts,).

    Empty when the batch is not among the online ones any more.
    """
    table = "raw" if row.stage == RAW else "science"
    nights = row.by_night
    if row.stage == DISTRIBUTE:
        nights = Ledger(storage).row(SCIENCE, row.key).by_night
    written = [item.night for item in nights if item.written]
    try:
        rows = batch_columns(storage, table, written, row.key, _ARRIVED)
    except FileNotFoundError:
        return np.empty(0)
    return np.asarray(rows["at"].cast("int64").to_numpy() / 1e6, dtype=float)


def recent(ledger: Ledger, stage: str, since: float, at_least: int) -> list[Commit]:
    """Batches committed since then, by time; the latest ones even if they are older."""
    times = sorted(ledger.commit_times(stage).items(), key=lambda item: item[1])
    wanted = dict([item for item in times if item[1] >= since] or times[-at_least:])
    rows = ledger.some_rows(stage, wanted.keys())
    return [Commit(rows[key], at) for key, at in wanted.items()]


def waiting_in_kafka(ledger: Ledger, settings: Settings) -> Waiting | None:
    """Lag of stream2raw in the input topics; None when Kafka does not answer."""
    options = settings.kafka.client_options()
    cluster = KafkaCluster(options, _PATIENCE_SECONDS, "kafka.servers")
    try:
        kept = cluster.watermarks(matching(settings.kafka.input_topic, cluster.partitions()))
    except FatalError:
        return None
    reached: dict[TopicPartition, int] = {}
    for commit in recent(ledger, RAW, time.time() - _DAY, _LATEST):
        for span in commit.row.offsets:
            reached[span.source] = max(span.until, reached.get(span.source, 0))
    return Waiting(sum(max(0, k.high - max(k.low, reached.get(p, 0))) for p, k in kept.items()))
