"""How the cost of an alert grows: with the alerts of a night, the filters, and the nights on disk.

Each point is ``bin/nightjar run`` in an installation of its own. It has done 24,000 alerts when it
is paused; so many more are put into Kafka, and it goes on. The cost of each of these is CPU time of
all its processes, and wall time from there to the last commit. Java still compiles a little then,
which is told apart: it passes with the first minutes of an application, not with the night. What
the topics hold in the end is compared with what DuckDB selects. A table and a picture for each
axis.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from matplotlib.figure import Figure

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from broker.tables.layout import ledger_path
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import to_table
from tests.bench.application import STAGES, Application
from tests.bench.archive import write_nights
from tests.bench.drain import SURVEY, make_site, plain, use_topics
from tests.bench.packets import SEED, Sender, make_packets
from tests.bench.record import write_record
from tests.e2e.distribution.distributing import DistributeSite

# Alerts beforehand: a backlog to start with, and two visits of Rubin.
_BEFORE = (4000, 10_000, 10_000)
_PARTITIONS = 4
# Of nights that were before, whose batches have keys of their own.
_ALERTS_A_NIGHT, _BATCHES_A_NIGHT, _EARLIER = 2000, 50, "abcdef01"
# What is measured where the axis is another one.
_USUAL = {"alerts": 10_000, "filters": 25, "nights": 0}
AXES: dict[str, tuple[int, ...]] = {
    "alerts": (1000, 3000, 10_000, 30_000, 100_000),
    "filters": (1, 25, 100, 200),
    "nights": (1, 15, 60),
}
_LABELS = {
    "alerts": "alerts in the night",
    "filters": "filters",
    "nights": "nights on disk",
}
_COMPILING = "JIT compiler"
_COSTS = ("CPU", "CPU without compiling", "wall time")


def main() -> None:
    """Measure the axes that are asked for, draw each, and print a table."""
    options = parse_options()
    axes = {axis: points_of(axis, options) for axis in options.axis or AXES}
    most = max([*axes.get("alerts", []), _USUAL["alerts"]])
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        packets = options.packets or folder / "packets"
        make_packets(packets, sum(_BEFORE) + most)
        kafka = EmbeddedKafka(folder / "kafka", free_port())
        kafka.start()
        try:
            for axis, values in axes.items():
                found[axis] = [measure(kafka, folder, packets, axis, value) for value in values]
        finally:
            kafka.stop()
    for axis, points in found.items():
        show_axis(axis, points)
        draw(axis, points, options.plots / f"scale_{axis}.png")
    write_record(options.json, "scale", {"options": plain(options), "axes": found})


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench scale", description=__doc__)
    parser.add_argument("--axis", action="append", choices=list(AXES), help="default: all")
    parser.add_argument("--most", type=int, default=100_000, help="leave out larger values")
    parser.add_argument("--runs", type=int, default=1, help="of each point, in turn")
    parser.add_argument("--packets", type=Path, help="a file that is kept and used again")
    parser.add_argument("--plots", type=Path, default=Path(), help="folder for the pictures")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def points_of(axis: str, options: argparse.Namespace) -> list[int]:
    """Values of an axis in the order in which they are measured."""
    return [value for value in AXES[axis] if value <= options.most] * options.runs


# --- one point ---------------------------------------------------------------------------------


def measure(
    kafka: EmbeddedKafka, folder: Path, packets: Path, axis: str, value: int
) -> dict[str, Any]:
    """One point of one axis."""
    load = _USUAL | {axis: value}
    name = f"scale_{axis}_{value}"
    site = make_site(kafka, folder / name, name, load["filters"])
    use_topics(site)
    if load["nights"]:
        live_through(site, load["nights"])
    with packets.open("rb") as file:
        sender = Sender(kafka, name, _PARTITIONS, file)
        figures = cost_of(load["alerts"], sender, site)
    for earlier in site.root.glob(f"{SURVEY}/online/*/night=*/batch={_EARLIER}-*"):
        shutil.rmtree(earlier)
    if site.sent() != site.expected():
        raise SystemExit(f"{axis} {value}: the topics do not hold what the filters select")
    clear(kafka, site)
    point = {"value": value, "alerts": load["alerts"], **figures}
    shown = ", ".join(f"{c:.2f} {name}" for name, c in zip(_COSTS, costs(point), strict=True))
    print(f"{_LABELS[axis]} {value}: ms per alert: {shown}", flush=True)
    return point


def cost_of(alerts: int, sender: Sender, site: DistributeSite) -> dict[str, Any]:
    """Seconds, CPU seconds and peak memory of a run over so many alerts, its beginning apart."""
    sender.send(_BEFORE[0])
    running = Application(site.root, SURVEY, [*site.settings()])
    try:
        *_, figures = running.drain_all(sender, (*_BEFORE, alerts))
        running.stop()
    finally:
        running.kill()
    return {
        "seconds": figures.seconds,
        "cpu": figures.cpu,
        "compiling": figures.work[_COMPILING],
        "peak_mb": figures.peak_mb,
        "batches": figures.batches,
    }


def live_through(site: DistributeSite, nights: int) -> None:
    """Leave what so many nights leave: tables, a ledger of many batches, checkpoints."""
    write_nights(site.storage, 1, nights, _ALERTS_A_NIGHT, SEED)
    ledger = Ledger(site.storage)
    for stage in STAGES:
        first = ledger.row(stage, ledger.keys(stage)[0])
        for number in range(nights * _BATCHES_A_NIGHT):
            row = replace(first, key=f"{_EARLIER}-9{number:05d}")
            site.storage.write_table(to_table(row), ledger_path(stage, row.key))
    for job in ("raw2science", "distribute"):
        done = site.run(name=job)
        if done.process.returncode:
            raise SystemExit(done.text)


def clear(kafka: EmbeddedKafka, site: DistributeSite) -> None:
    """Make room for the next point."""
    shutil.rmtree(site.root)
    admin = AdminClient(kafka.client_options())
    names = [name for name in admin.list_topics(timeout=30).topics if site.topic in name]
    for deleted in admin.delete_topics(names).values():
        deleted.result(30)


# --- figures -----------------------------------------------------------------------------------


def costs(point: dict[str, Any]) -> tuple[float, ...]:
    """Milliseconds per alert, in the order of `_COSTS`."""
    seconds = (point["cpu"], point["cpu"] - point["compiling"], point["seconds"])
    return tuple(1e3 * each / point["alerts"] for each in seconds)


def medians(points: list[dict[str, Any]]) -> dict[int, tuple[float, ...]]:
    """Value of the axis → costs in the middle of its runs."""
    found = {}
    for value in sorted({point["value"] for point in points}):
        some = [costs(point) for point in points if point["value"] == value]
        found[value] = tuple(map(statistics.median, zip(*some, strict=True)))
    return found


def show_axis(axis: str, points: list[dict[str, Any]]) -> None:
    heads = " ".join(f"{name:>22}" for name in _COSTS)
    print(f"\nmilliseconds per alert\n{_LABELS[axis]:20} {heads}  peak MB  batches")
    middle = medians(points)
    last = {point["value"]: point for point in points}
    for value, some in middle.items():
        batches = " ".join(map(str, last[value]["batches"].values()))
        peak = last[value]["peak_mb"]
        print(f"{value:20} {_row(some)} {peak:8.0f}  {batches}")
    ratios = [b / a for a, b in zip(middle[min(middle)], middle[max(middle)], strict=True)]
    print(f"{'last / first':20} {_row(ratios)}")


def _row(values: Sequence[float]) -> str:
    return " ".join(f"{value:22.2f}" for value in values)


def draw(axis: str, points: list[dict[str, Any]], path: Path) -> None:
    """Cost over the axis: every run a mark, lines through the middle ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    middle = medians(points)
    values = [point["value"] for point in points]
    for number, label in enumerate(_COSTS):
        colour, mark = f"C{number}", "o^s"[number]
        axes.plot([*middle], [some[number] for some in middle.values()], color=colour)
        every = [costs(point)[number] for point in points]
        axes.plot(values, every, mark, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_xticks([*middle], [f"{value:,}" for value in middle], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(_LABELS[axis])
    axes.set_ylabel("milliseconds per alert")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
