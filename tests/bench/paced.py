"""Latency at Rubin's rhythm: bursts of alerts, one visit after the other, through the whole chain.

The packets of a synthetic night wait in a file. Each visit, so many of them go into Kafka as fast
as it takes them, and the next ones follow so many seconds after the start of the last. Meanwhile
``bin/nightjar run`` works, and a subscriber reads every output topic, committed messages only. An
alert's latency is from Kafka's append of its packet to the first message about it that the
subscriber has; alerts that no filter chooses have none. In the end every alert must be in the
science table once, and each topic must have brought exactly what DuckDB selects. Sender, Kafka,
broker and subscriber share the machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from tests.bench.application import STAGES, Application, Batch
from tests.bench.drain import SURVEY, make_site, plain, use_topics
from tests.bench.packets import Sender, make_packets
from tests.bench.processes import cpu_seconds, peak_mb
from tests.bench.record import write_record
from tests.bench.subscriber import Arrival, Subscriber
from tests.e2e.distribution.distributing import DistributeSite

TOPIC = "bench_paced"
_QUANTILES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}


@dataclass
class Visit:
    """One burst.

    Attributes
    ----------
    began, sent, done
        When it was due and begun, was in Kafka as a whole, and was published as a whole (seconds
        since 1970).
    zero_before_next
        Whether it was done when the next one began.
    batches
        Sizes of the batches that stream2raw made meanwhile.
    latencies
        Of its alerts, seconds.
    """

    began: float
    sent: float
    ids: list[int] = field(repr=False)
    done: float = 0.0
    zero_before_next: bool = False
    batches: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list, repr=False)


def main() -> None:
    """Play the visits and print latencies, visit by visit and over all."""
    options = parse_options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        packets = options.packets or folder / "packets"
        size = make_packets(packets, options.first + options.visits * options.burst)
        print(f"packets of {size / 1e3:.1f} kB in the mean", flush=True)
        kafka = EmbeddedKafka(folder / "kafka", free_port())
        kafka.start()
        try:
            visits, figures = play(kafka, folder, packets, options)
        finally:
            kafka.stop()
    report(visits, {"packet_bytes": size, **figures}, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench paced", description=__doc__)
    parser.add_argument("--burst", type=int, default=10_000, help="alerts in a visit")
    parser.add_argument("--every", type=float, default=37.0, help="seconds between visits")
    parser.add_argument("--visits", type=int, default=10)
    parser.add_argument("--first", type=int, default=4000, help="alerts beforehand, 1 or more")
    parser.add_argument("--filters", type=int, default=25)
    parser.add_argument("--partitions", type=int, default=4, help="of the input topic")
    parser.add_argument("--packets", type=Path, help="a file that is kept and used again")
    parser.add_argument("--set", dest="words", action="append", default=[], help="section.key=…")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--log", type=Path, help="keep the run's log here")
    return parser.parse_args()


# --- the visits --------------------------------------------------------------------------------


def play(
    kafka: EmbeddedKafka, folder: Path, packets: Path, options: argparse.Namespace
) -> tuple[list[Visit], dict[str, Any]]:
    """Run the broker under the visits, check what came of it, and give the figures."""
    site = make_site(kafka, folder / "site", TOPIC, options.filters, options.words)
    use_topics(site)
    with packets.open("rb") as file:
        sender = Sender(kafka, TOPIC, options.partitions, file)
        first = sender.send(options.first)  # the night has begun already
        running = Application(site.root, SURVEY, [*site.settings()])
        try:
            running.wait_for(lambda: running.done() >= len(first))
            with Subscriber(kafka, site.topics) as subscriber:
                cpu, everybody = cpu_seconds(running.pid), cpu_seconds()
                visits = send_visits(sender, running, options)
                running.wait_for(lambda: running.done() >= len(sender.appended))
                cpu = cpu_seconds(running.pid) - cpu
                others = cpu_seconds() - everybody - cpu
            figures = {"cpu": cpu, "others_cpu": others, "peak_mb": peak_mb(running.pid)}
            running.stop()
        finally:
            running.kill()
            if options.log:
                options.log.write_bytes(running.log.read_bytes())
    check(site, sender, subscriber.arrivals)
    complete(visits, running.batches(), sender.appended, subscriber.arrivals, options)
    batches = [asdict(batch) for batch in running.batches()]
    return visits, {**figures, "messages": len(subscriber.arrivals), "batches": batches}


def send_visits(sender: Sender, running: Application, options: argparse.Namespace) -> list[Visit]:
    """Send every visit when it is due, or as soon as the last one is in Kafka."""
    start = time.time() + 1.0
    visits = []
    for number in range(options.visits):
        due = start + number * options.every
        running.wait_for(lambda due=due: time.time() >= due)
        began = time.time()
        ids = sender.send(options.burst)
        visits.append(Visit(began, time.time(), ids))
    return visits


def complete(
    visits: Sequence[Visit],
    batches: Sequence[Batch],
    appended: dict[int, float],
    arrivals: Sequence[Arrival],
    options: argparse.Namespace,
) -> None:
    """Add to each visit when it was done, and its latencies."""
    arrived: dict[int, float] = {}
    for arrival in arrivals:
        arrived.setdefault(arrival.alert_id, arrival.at)
    published = [batch for batch in batches if batch.stage == STAGES[-1]]
    ends = [*(visit.began for visit in visits[1:]), visits[-1].began + options.every]
    for number, (visit, end) in enumerate(zip(visits, ends, strict=True)):
        visit.done = _when(published, options.first + (number + 1) * options.burst)
        visit.zero_before_next = visit.done <= end
        visit.batches = [b.alerts for b in _between(batches, visit.began, end) if b.stage == "raw"]
        visit.latencies = [arrived[a] - appended[a] for a in visit.ids if a in arrived]


def _when(published: Sequence[Batch], alerts: int) -> float:
    """When so many alerts had been published; batches go out in the order they came in."""
    passed = 0
    for batch in published:
        passed += batch.alerts
        if passed >= alerts:
            return batch.committed
    raise SystemExit(f"of {alerts} alerts only {passed} were published")


def _between(batches: Sequence[Batch], start: float, end: float) -> list[Batch]:
    return [batch for batch in batches if start <= batch.committed < end]


def check(site: DistributeSite, sender: Sender, arrivals: Sequence[Arrival]) -> None:
    """Nothing lost, nothing doubled: from the packets sent to the messages received."""
    files = f"{site.root / SURVEY}/online/science/night=*/batch=*/*.parquet"
    rows = duckdb.execute("SELECT alert_id FROM read_parquet(?)", [files]).fetchall()
    if sorted(alert_id for (alert_id,) in rows) != sorted(sender.appended):
        raise SystemExit(f"{len(sender.appended)} alerts were sent; not these have science rows")
    received: dict[str, list[int]] = {topic: [] for topic in site.topics}
    for arrival in arrivals:
        received[arrival.topic].append(arrival.alert_id)
    for name, expected in site.expected().items():
        if sorted(received[site.topic_of(name)]) != expected:
            raise SystemExit(f"topic of {name} did not bring what the filter selects")


# --- figures -----------------------------------------------------------------------------------


def report(visits: list[Visit], figures: dict[str, Any], options: argparse.Namespace) -> None:
    print(f"\n{options.visits} visits of {options.burst} alerts every {options.every:g} s")
    print(
        f"visit  in Kafka    done {_heads()}  alerts chosen  lag before next  batches of raw"
        "\n       after s   after s        seconds of latency"
    )
    for number, visit in enumerate(visits):
        print(
            f"{number:5} {visit.sent - visit.began:9.1f} {visit.done - visit.began:7.1f} "
            f"{_row(visit.latencies)} {len(visit.latencies):14}  "
            f"{'zero' if visit.zero_before_next else 'NOT ZERO':15}  "
            f"{' + '.join(map(str, visit.batches))}"
        )
    everything = [latency for visit in visits for latency in visit.latencies]
    print(f"{'all':5} {'':17} {_row(everything)} {len(everything):14}")
    late = sum(not visit.zero_before_next for visit in visits)
    alerts = options.visits * options.burst
    cpu, others = (1e3 * figures[name] / alerts for name in ("cpu", "others_cpu"))
    print(
        f"\n{late} visits were late for the next one; {figures['messages']} messages, none lost, "
        f"none doubled\nan alert took {cpu:.2f} CPU ms, and {others:.2f} of sender, Kafka and "
        f"subscriber; peak {figures['peak_mb']:.0f} MB"
    )
    show_batches(figures["batches"], visits[-1], options)
    shown = [asdict(visit) | {"latencies": quantiles(visit.latencies)} for visit in visits]
    for visit_shown in shown:
        del visit_shown["ids"]
    found = {"latencies": quantiles(everything), "late": late, "visits": shown}
    write_record(options.json, "paced", {"options": plain(options), **found, **figures})


def show_batches(batches: list[dict[str, Any]], visit: Visit, options: argparse.Namespace) -> None:
    """What each stage did in a visit, and how long its batches took in all of them."""
    print("\nthe last visit: stage, alerts, from and to in seconds after its beginning")
    for batch in sorted(batches, key=lambda batch: float(batch["began"])):
        began, committed = batch["began"] - visit.began, batch["committed"] - visit.began
        if committed > 0:
            print(f"  {batch['stage']:12} {batch['alerts']:6} {began:6.1f} {committed:6.1f}")
    for stage in STAGES:
        seconds = [b["committed"] - b["began"] for b in batches if b["stage"] == stage]
        print(
            f"{stage:12} {len(seconds)} batches of {statistics.median(seconds):.1f} s in the "
            f"middle, {max(seconds):.1f} s at most"
        )


def quantiles(latencies: Sequence[float]) -> dict[str, float]:
    """Seconds by name of the quantile; nothing of nothing."""
    if not latencies:
        return {}
    values = np.percentile(latencies, list(_QUANTILES.values()))
    return dict(zip(_QUANTILES, map(float, values), strict=True))


def _heads() -> str:
    return " ".join(f"{name:>6}" for name in _QUANTILES)


def _row(latencies: Sequence[float]) -> str:
    found = quantiles(latencies)
    return " ".join(f"{found[name]:6.2f}" if found else f"{'-':>6}" for name in _QUANTILES)


if __name__ == "__main__":
    main()
