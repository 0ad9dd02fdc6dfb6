"""Ctrl-C and SIGTERM, heard between two messages."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Say whether one of the signals came, while the context lasts.

    The handlers raise nothing: an exception within a Kafka client's call would break the client.
    """
    heard: list[int] = []

    def hear(number: int, _frame: object) -> None:
        heard.append(number)

    before = [(number, signal.signal(number, hear)) for number in _SIGNALS]
    try:
        yield lambda: bool(heard)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
