"""What Prometheus reads of a running job: counts from the ledger, progress from Spark.

The ledger tells what is done, as it tells everybody else; Spark's listener tells what waits in
Kafka and where a trigger's time goes. Both are put together when Prometheus asks.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from broker.kafka.positions import TopicPartition, parse_offsets
from broker.pipeline.lag import LedgerWatch, arrival_times, waiting
from broker.tables.ledger import Commit
from broker.tables.stages import RAW, SCIENCE, UPSTREAM
from broker.tables.storage import Storage
from broker.units import Floats

Labels = tuple[str, ...]
_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class StageMetrics(Collector):
    """Metrics of the stages that this process runs, counted from its start.

    Parameters
    ----------
    storage
        The survey's folder.
    survey
        Its name.
    stages
        Those that run here, so that no two processes count the same batch.
    progress
        What Spark says of their queries.
    """

    def __init__(
        self, storage: Storage, survey: str, stages: Sequence[str], progress: QueryProgress
    ) -> None:
        self._storage = storage
        self._survey = survey
        self._stages = stages
        self._progress = progress
        self._watch = LedgerWatch(storage, stages)
        self._watch.skip()
        # Prometheus may ask twice at once.
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Labels]] = defaultdict(Counter)
        self._spans: dict[str, dict[Labels, _Spans]] = defaultdict(dict)

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        with self._lock:
            for commit in self._watch.news():
                self._count(commit)
            yield from self._counters()
            yield from self._histograms()
            yield from self._gauges()

    def _count(self, commit: Commit) -> None:
        row = commit.row
        stage = row.stage
        self._add("alerts_in", row.read, stage)
        self._add("alerts_out", row.written, stage)
        self._span("batch_seconds", np.array([row.seconds]), stage)
        self._span("latency_seconds", commit.at - arrival_times(self._storage, row), stage)
        if row.stage == RAW:
            self._add("bytes_in", row.bytes_read)
        if row.stage == SCIENCE:
            self._add("repeats", row.repeats)
        for reason in row.by_reason:
            self._add("quarantined", reason.packets, reason.reason)
        for module in row.by_module:
            self._add("module_seconds", module.seconds, module.name)
            self._add("module_errors", module.failures, module.name)
        for item in row.by_filter:
            self._add("filter_alerts", item.matched, item.name)

    def _add(self, name: str, value: float, *labels: str) -> None:
        self._counts[name][labels] += value  # type: ignore[assignment]

    def _span(self, name: str, seconds: Floats, *labels: str) -> None:
        self._spans[name].setdefault(labels, _Spans()).add(seconds)

    def _counters(self) -> Iterator[Metric]:
        # Copied at one stroke: Spark's reports come in meanwhile.
        counts = {**self._counts, "trigger_seconds": dict(self._progress.seconds)}
        for name, (meaning, labels) in _COUNTERS.items():
            family = CounterMetricFamily(f"nightjar_{name}", meaning, labels=["survey", *labels])
            for values, count in counts.get(name, {}).items():
                family.add_metric([self._survey, *values], count)
            yield family

    def _histograms(self) -> Iterator[Metric]:
        for name, meaning in _HISTOGRAMS.items():
            family = HistogramMetricFamily(f"nightjar_{name}", meaning, labels=["survey", "stage"])
            for (stage,), spans in self._spans[name].items():
                family.add_metric([self._survey, stage], spans.buckets(), spans.sum)
            yield family

    def _gauges(self) -> Iterator[Metric]:
        now = time.time()
        found: dict[str, dict[str, float | None]] = defaultdict(dict)
        for stage in self._stages:
            alerts, since = self._lag(stage)
            found["lag_alerts"][stage] = alerts
            found["lag_seconds"][stage] = max(0.0, now - since) if alerts and since else 0.0
            found["last_batch_timestamp_seconds"][stage] = self._watch.last(stage)
            found["query_active"][stage] = float(stage in self._progress.active)
        for name, meaning in _GAUGES.items():
            family = GaugeMetricFamily(f"nightjar_{name}", meaning, labels=["survey", "stage"])
            for stage, value in found[name].items():
                if value is not None:
                    family.add_metric([self._survey, stage], value)
            yield family

    def _lag(self, stage: str) -> tuple[int, float | None]:
        """Alerts that wait for a stage, and since when the oldest does."""
        if not UPSTREAM[stage]:
            return self._progress.behind, self._progress.behind_since
        left = waiting(self._watch.ledger, stage)
        return left.alerts, left.since


class QueryProgress(StreamingQueryListener):
    """What Spark reports of the queries, which bear their stages' names.

    Attributes
    ----------
    active
        Stages whose queries run.
    seconds
        (stage, phase of a trigger) → seconds so far.
    behind
        Messages in Kafka that the last trigger left for the next ones.
    behind_since
        When there were none the last time (seconds since 1970).
    """

    def __init__(self) -> None:
        self.active: set[str] = set()
        self.seconds: Counter[Labels] = Counter()
        self.behind = 0
        self.behind_since: float | None = None
        self._names: dict[Any, str] = {}

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802 - Spark's name
        """Note that a query runs."""
        self._names[event.runId] = event.name or ""
        self.active.add(event.name or "")

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802 - Spark's name
        """Take in what a trigger did."""
        self.take(json.loads(event.progress.json), time.time())

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802 - Spark's name
        """Nothing waits for this query."""
        if self._names.get(event.runId) == RAW:
            self.behind, self.behind_since = 0, time.time()

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802 - Spark's name
        """Note that a query runs no more."""
        self.active.discard(self._names.get(event.runId, ""))

    def take(self, progress: Mapping[str, Any], now: float) -> None:
        """Take in a trigger's report, Spark's JSON."""
        stage = progress["name"]
        for phase, milliseconds in progress["durationMs"].items():
            if phase != "triggerExecution":  # the sum of the others
                self.seconds[stage, phase] += milliseconds / 1e3
        if stage == RAW:
            self.behind = sum(map(_messages_behind, progress["sources"]))
            if not self.behind or self.behind_since is None:
                self.behind_since = now


def _messages_behind(source: Mapping[str, Any]) -> int:
    latest, end = (_offsets(source.get(name)) for name in ("latestOffset", "endOffset"))
    return sum(max(0, offset - end.get(at, 0)) for at, offset in latest.items())


def _offsets(report: Any) -> dict[TopicPartition, int]:
    return parse_offsets(report if isinstance(report, str) else json.dumps(report or {}))


class _Spans:
    """Counts of spans of time by bucket."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(_SECONDS) + 1, dtype=np.int64)
        self.sum = 0.0

    def add(self, seconds: Floats) -> None:
        places = np.searchsorted(_SECONDS, seconds, side="left")
        self._counts += np.bincount(places, minlength=self._counts.size)
        self.sum += float(seconds.sum())

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and count so far of each, as Prometheus wants them."""
        bounds = [*map(str, _SECONDS), "+Inf"]
        return list(zip(bounds, np.cumsum(self._counts).astype(float).tolist(), strict=True))


def names() -> set[str]:
    """Every name under which Prometheus finds a series."""
    histograms = (f"{name}_{part}" for name in _HISTOGRAMS for part in ("bucket", "count", "sum"))
    plain: Iterable[str] = (*(f"{name}_total" for name in _COUNTERS), *_GAUGES, *histograms)
    return {f"nightjar_{name}" for name in plain}


# Name → meaning, and labels beside the survey.
_COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "alerts_in": ("Alerts that a stage has read", ("stage",)),
    "alerts_out": (
        "Alerts that a stage has written; of distribute, messages that it sent",
        ("stage",),
    ),
    "bytes_in": ("Bytes of packets read from Kafka", ()),
    "repeats": ("Alerts that science left out, since it has them already", ()),
    "filter_alerts": ("Alerts sent to a filter's topic", ("filter",)),
    "quarantined": ("Packets that could not be used", ("reason",)),
    "module_seconds": ("CPU seconds of a science module", ("module",)),
    "module_errors": ("Alerts on which a science module failed", ("module",)),
    "trigger_seconds": (
        "Seconds of Spark's triggers by what they were spent on",
        ("stage", "phase"),
    ),
}
_HISTOGRAMS = {
    "batch_seconds": "Time that a batch takes",
    "latency_seconds": "Time from an alert's arrival in Kafka to the commit of a stage's batch",
}
_GAUGES = {
    "lag_alerts": "Alerts that wait for a stage",
    "lag_seconds": "Time for which the oldest of them has waited",
    "last_batch_timestamp_seconds": "When a stage last committed a batch",
    "query_active": "1 while the stage's query runs",
}
