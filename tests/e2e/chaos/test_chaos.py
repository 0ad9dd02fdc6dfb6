"""Everything fails at random moments; in the end nothing is lost and nothing doubled.

``NIGHTJAR_CHAOS=SEED:SECONDS`` runs `test_a_night_of_a_given_seed` with them. What happens when
is printed at the start and follows from the seed alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import broker.archive.compact_ledger as compacting
from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from broker.tables.ledger import Ledger
from tests.e2e.chaos.feed import Feed
from tests.e2e.chaos.oracle import FILTERS, differences, read_truth
from tests.e2e.chaos.schedule import schedule
from tests.e2e.chaos.shift import Shift
from tests.e2e.distribution.distributing import DistributeSite
from tests.e2e.site import make_topic

PARTITIONS = 2
SHORT = 820
APART = ("stream2raw", "raw2science", "distribute")
# A busy machine needs long for what came in twenty minutes of failures.
_PATIENCE_SECONDS = 1800.0
Night = Callable[..., None]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """Run a night of a seed, and check what has come of it."""
    monkeypatch.setattr(compacting, "_AT_LEAST", 1)
    # Its own Kafka, which may be killed.
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port())
    shifts: list[Shift] = []

    def run(
        seed: int,
        seconds: float,
        every: float,
        rate: float,
        stages: tuple[str, ...],
        **words: str,
    ) -> None:
        site = make_site(tmp_path / "site", kafka, words)
        shifts.append(Shift(site, {name: command(name, site.survey) for name in stages}))
        run_night(site, shifts[0], seed, seconds, every, rate)

    try:
        yield run
    finally:
        for shift in shifts:
            shift.kill_all()
        kafka.stop()


def make_site(folder: Path, kafka: EmbeddedKafka, own: Mapping[str, str]) -> DistributeSite:
    kafka.start()
    make_topic(kafka, "night", PARTITIONS)
    words = {
        "kafka.output_prefix": f"t{uuid.uuid4().hex[:6]}",
        "filters.folder": str(folder / "filters"),
        "distribute.partitions": "2",
        "distribute.delivery_timeout_seconds": "30",
        "ingest.max_offsets_per_batch": "1000",
    }
    own = {name.replace("__", "."): value for name, value in own.items()}
    site = DistributeSite(folder, kafka, "night", "ztf", words | own)
    site.filters.mkdir(parents=True)
    for name, (payload, where, _) in FILTERS.items():
        site.write_filter(name, where, payload)
    return site


def command(name: str, survey: str) -> list[str]:
    return [sys.executable, f"jobs/{name}.py", "--survey", survey]


def run_night(
    site: DistributeSite, shift: Shift, seed: int, seconds: float, every: float, rate: float
) -> None:
    events = schedule(seed, seconds, every, list(shift.commands))
    print(f"\nseed {seed}, {seconds:.0f} s, a blow about every {every:.0f} s")
    print("\n".join(str(event) for event in events), flush=True)
    feed = Feed(site.kafka, site.topic, PARTITIONS, seed, rate)
    feed.start()
    shift.start()
    wait_for(lambda: bool(Ledger(site.storage).keys("distribute")), shift, "a first batch is out")
    began = time.monotonic()
    for event in events:
        time.sleep(max(0.0, began + event.at - time.monotonic()))
        print(f"{time.monotonic() - began:7.1f} s  now: {event}", flush=True)
        shift.strike(event)
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    feed.finish()
    truth = read_truth(site)
    total = len(truth.sound) + len(truth.unusable)
    wait_for(lambda: is_done(site, total), shift, f"all of {total} messages are through")
    codes = shift.stop()
    print(f"{total} messages: {dict(truth.kinds)}")
    for name, ends in shift.ends.items():
        print(f"{name} ended {ends.total()} times: {dict(ends)}")
    assert list(differences(site, truth)) == []
    # One that was just being started again does not listen yet: it dies of the signal.
    assert set(codes) <= {0, -signal.SIGTERM}
    assert shift.unexpected == []
    assert site.storage.names("ledger/folded/stage=distribute")
    code, findings = site.audit("--deep")
    assert [text for finding in findings for text in finding["differences"]] == []
    assert code == 0


def is_done(site: DistributeSite, total: int) -> bool:
    ledger = Ledger(site.storage)
    raw = ledger.rows("raw")
    keys = {row.key for row in raw}
    return (
        sum(row.read for row in raw) >= total
        and keys <= set(ledger.keys("science"))
        and keys <= set(ledger.keys("distribute"))
    )


def wait_for(holds: Callable[[], bool], shift: Shift, what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        ends = {name: dict(counts) for name, counts in shift.ends.items()}
        assert time.monotonic() < deadline, f"waited in vain until {what}: {ends}"
        time.sleep(0.5)


def test_a_short_bad_night(night: Night) -> None:
    # Killed, without Kafka and with a full disk, each once; in one application, and with a single
    # module, to start quickly.
    modules = '["real_bogus"]'
    night(SHORT, seconds=24, every=7, rate=8, stages=("run",), science__modules=modules)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_twenty_bad_minutes(full_sweep: None, night: Night, seed: int) -> None:
    night(seed, seconds=1200, every=25, rate=20, stages=APART)


def test_a_night_of_a_given_seed(night: Night) -> None:
    given = os.environ.get("NIGHTJAR_CHAOS")
    if given is None:
        pytest.skip("give NIGHTJAR_CHAOS=SEED:SECONDS")
    seed, _, seconds = given.partition(":")
    night(int(seed), float(seconds), every=25, rate=20, stages=APART)
