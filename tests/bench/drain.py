"""Speed of the whole chain: backlogs in Kafka, through every stage, to the topics of 25 filters.

Synthetic packets with history and cutouts wait in Kafka. ``bin/nightjar run`` drains them in a
process tree of its own, all stages side by side, until the last message is published: ``backlog 1``
is what it finds when it is started, and the others, as large, come while it is paused, one after
the other, as after a pause of the survey: what Java still compiles in the first ones can be seen.
Seconds are from the first batch's start, or from the end of the pause, to the last batch's commit;
start-up is told apart. Then every topic is read and compared, alert by alert, with what DuckDB
selects. Beside it, over the same packets:

- ``consumer``: one process of confluent_kafka + fastavro with four filters, which stores nothing;
- ``udf``: Spark with fastavro in a row-at-a-time UDF, which decodes and does nothing else.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from broker.kafka.cluster import KafkaCluster
from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from broker.settings import PROJECT_ROOT, load_settings
from tests.bench.application import Application, Figures
from tests.bench.distribute import write_filters
from tests.bench.packets import Sender, make_packets
from tests.bench.peers import FILTERS
from tests.bench.record import write_record
from tests.e2e.distribution.distributing import DistributeSite

SURVEY = "ztf"
_PEERS = ("consumer", "udf")


def main() -> None:
    """Drain backlogs as often as asked, each time in turn with the peers."""
    options = parse_options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        packets = options.packets or folder / "packets"
        make_packets(packets, options.backlogs * options.alerts)
        kafka = EmbeddedKafka(folder / "kafka", free_port())
        kafka.start()
        try:
            runs = [
                one_round(kafka, folder / f"drain{number}", packets, options)
                for number in range(options.runs)
            ]
        finally:
            kafka.stop()
    report(runs, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench drain", description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000, help="of each backlog")
    parser.add_argument("--backlogs", type=int, default=4, help="one after the other")
    parser.add_argument("--filters", type=int, default=25)
    parser.add_argument("--partitions", type=int, default=4, help="of the input topic")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--udf-alerts", type=int, default=1500, help="it is slow; 0: leave it out")
    parser.add_argument("--no-consumer", action="store_true", help="leave the plain consumer out")
    parser.add_argument("--packets", type=Path, help="a file that is kept and used again")
    parser.add_argument("--set", dest="words", action="append", default=[], help="section.key=…")
    parser.add_argument("--spark", action="append", default=[], help="spark.key=value")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--log", type=Path, help="keep the last run's log here")
    return parser.parse_args()


def one_round(
    kafka: EmbeddedKafka, folder: Path, packets: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Figures of every contender."""
    found, sent = drain(kafka, folder, packets, options)
    if not options.no_consumer:
        found["consumer"] = peer(kafka, "consumer", folder.name, options.backlogs * options.alerts)
        show("consumer", found["consumer"])
        chosen = {name: sent[name] for name in FILTERS}
        if found["consumer"]["chosen"] != chosen:
            raise SystemExit(f"filters differ: {chosen}, consumer {found['consumer']['chosen']}")
    if options.udf_alerts:
        found["udf"] = peer(kafka, "udf", folder.name, options.udf_alerts)
        show("udf", found["udf"])
    return found


def drain(
    kafka: EmbeddedKafka, folder: Path, packets: Path, options: argparse.Namespace
) -> tuple[dict[str, Any], Counter[str]]:
    """Drain all backlogs, check what came out, and clear up; messages by filter too."""
    site = make_site(kafka, folder, folder.name, options.filters, options.words)
    use_topics(site)
    found: dict[str, Figures] = {}
    with packets.open("rb") as file:
        sender = Sender(kafka, folder.name, options.partitions, file)
        sender.send(options.alerts)
        running = Application(folder, SURVEY, [*site.settings()], options.spark)
        try:
            backlogs = [options.alerts] * options.backlogs
            for number, figures in enumerate(running.drain_all(sender, backlogs), 1):
                found[f"backlog {number}"] = figures
                show(f"backlog {number}", asdict(figures))
            running.stop()
        finally:
            running.kill()
            if options.log:
                shutil.copy(running.log, options.log)
    sent = check(site, [*found.values()], options.alerts)
    shutil.rmtree(folder)
    return {name: asdict(figures) for name, figures in found.items()}, sent


def make_site(
    kafka: EmbeddedKafka, folder: Path, topic: str, filters: int, words: Sequence[str] = ()
) -> DistributeSite:
    """A new installation in a folder that is not there yet, with so many filters.

    Parameters
    ----------
    words
        Further settings, ``section.key=value``.
    """
    known = {"kafka.output_prefix": folder.name, "filters.folder": str(folder / "filters")}
    known |= dict(word.split("=", 1) for word in words)
    site = DistributeSite(folder, kafka, topic, SURVEY, known)
    folder.mkdir()
    write_filters(site.filters, filters)
    return site


def use_topics(site: DistributeSite) -> None:
    """Make the filters' topics as operation leaves them: not new.

    The first transaction of a partition costs Kafka 25 ms, once in the life of a topic. This one is
    aborted, so no reader sees anything of it.
    """
    settings = load_settings(SURVEY, overrides=site.overrides, environ={})
    options = settings.kafka.output_options()
    cluster = KafkaCluster(options, 30)
    producer = Producer({**options, "transactional.id": "bench", "log_level": 0})
    producer.init_transactions()
    producer.begin_transaction()
    for name in site.topics:
        cluster.create_topic(name, settings.distribute.partitions, {})
        for partition in range(settings.distribute.partitions):
            producer.produce(name, b"", partition=partition)
    producer.flush()
    producer.abort_transaction()


def check(site: DistributeSite, drained: Sequence[Figures], alerts: int) -> Counter[str]:
    """Every topic must hold exactly the alerts that DuckDB selects from the science table."""
    expected, published = site.expected(), site.sent()
    if published != expected:
        differing = sorted(name for name in expected if published.get(name) != expected[name])
        raise SystemExit(f"not what the filters select is in the topics of {differing}")
    sent = Counter({name: len(ids) for name, ids in published.items()})
    messages = sum(figures.messages for figures in drained)
    if any(figures.alerts != alerts for figures in drained) or messages != sent.total():
        raise SystemExit(f"{alerts} alerts, {sent.total()} messages, but the ledger has {drained}")
    return sent


def peer(kafka: EmbeddedKafka, name: str, topic: str, alerts: int) -> dict[str, Any]:
    """Run a peer in a process of its own."""
    where = ["--servers", kafka.servers, "--topic", topic, "--alerts", str(alerts)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.peers", name, *where],
        check=False,
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
    )
    if done.returncode:
        raise SystemExit(f"the peer {name} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def show(name: str, run: dict[str, Any]) -> None:
    startup = f", start-up {run['before']:.1f} s" if name == "backlog 1" else ""
    print(
        f"{name:9} {run['alerts']} alerts in {run['seconds']:6.2f} s: "
        f"{rate(run):5.0f} alerts/s, {run['alerts'] / run['cpu']:5.0f} per CPU second, "
        f"peak {run['peak_mb']:5.0f} MB{startup}",
        flush=True,
    )


def rate(run: dict[str, Any]) -> float:
    return float(run["alerts"] / run["seconds"])


def report(runs: list[dict[str, Any]], options: argparse.Namespace) -> None:
    rates = {name: [rate(run[name]) for run in runs] for name in runs[0]}
    print(f"\nmedian of {len(runs)} runs; {options.alerts} alerts, {options.filters} filters")
    for name, some in rates.items():
        spread = f"({min(some):.0f}–{max(some):.0f})"
        print(f"{name:9} {statistics.median(some):6.0f} alerts/s {spread}")
    peers = [name for name in _PEERS if name in rates]
    backlogs = [name for name in rates if name not in _PEERS]
    for own, other in itertools.product(backlogs, peers):
        ratios = [a / b for a, b in zip(rates[own], rates[other], strict=True)]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{own} / {other:8} {statistics.median(ratios):6.2f}  (each run: {each})")
    for own in (backlogs[0], backlogs[-1]):
        show_inside(own, [run[own] for run in runs])
    write_record(options.json, "drain", {"options": plain(options), "runs": runs})


def show_inside(name: str, runs: list[dict[str, Any]]) -> None:
    """Where the middle run's time went."""
    run = sorted(runs, key=rate)[len(runs) // 2]
    per_alert = 1e6 / run["alerts"]
    print(f"\n{name}: {rate(run):.0f} alerts/s, {run['cpu']:.1f} CPU s, {run['messages']} sent")
    print("stage        batches  s in batches  CPU s of tasks")
    for stage, busy in run["busy"].items():
        print(f"{stage:12} {run['batches'][stage]:7} {busy:13.1f} {run['task_cpu'][stage]:15.1f}")
    print("\nwork                    CPU s  share  µs per alert")
    for work, seconds in sorted(run["work"].items(), key=lambda item: -item[1]):
        share = seconds / run["cpu"]
        print(f"{work:22} {seconds:6.1f} {share:6.1%} {seconds * per_alert:9.0f}")
    print("\nscience module          CPU s  share  µs per alert")
    for module, seconds in run["modules"].items():
        share = seconds / run["cpu"]
        print(f"{module:22} {seconds:6.1f} {share:6.1%} {seconds * per_alert:9.0f}")
    written = ", ".join(f"{t} {b / 1e3:.1f} kB" for t, b in run["bytes_per_alert"].items())
    print(f"\nParquet per alert: {written}; peak {max(r['peak_mb'] for r in runs):.0f} MB")


def plain(options: argparse.Namespace) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}


if __name__ == "__main__":
    main()
