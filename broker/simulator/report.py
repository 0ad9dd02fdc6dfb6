"""Output for the user: fink-alert-simulator's lines, a progress bar on a terminal, a last line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from broker.errors import InputError
from broker.simulator.faults import FaultCounts
from broker.simulator.send import Deliveries


class Skipped:
    """Names and counts what cannot be read.

    Parameters
    ----------
    strict
        Raise the first error instead.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self.count = 0

    def __call__(self, error: InputError) -> None:
        """Take note of one file, archive or packet."""
        if self._strict:
            raise error
        self.count += 1
        note(f"skipped: {error}")


def note(text: str) -> None:
    """Say something beside the results."""
    print(f"nightjar: {text}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print a line of the results."""
    print(text, flush=True)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Bar that advances with each call; shown on a terminal, printed lines go above it."""
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def announce(label: str, available: int, wanted: int) -> None:
    """Say what there is, what goes out and when it starts."""
    say(f"Total alert available ({label}): {available}")
    say(f"Total alert to be sent: {wanted}")
    say(f"t0: {time.time()}")


def summarise(
    deliveries: Deliveries, faults: FaultCounts, skipped: int, elapsed_seconds: float
) -> None:
    """Say what became of it all; the last line has the counts and speeds."""
    if skipped:
        say(f"Skipped {skipped} that cannot be used (files, archives or packets, named above)")
    if faults.corrupted or faults.repeated:
        say(f"Faults: {faults.corrupted} corrupted, {faults.repeated} repeated")
    seconds = max(elapsed_seconds, 1e-9)
    say(
        f"Sent {deliveries.sent}, failed {deliveries.failed}, {elapsed_seconds:.2f} seconds, "
        f"{deliveries.sent / seconds:.1f} alerts per second, "
        f"{deliveries.sent_bytes / 1e6 / seconds:.2f} MB per second"
    )
