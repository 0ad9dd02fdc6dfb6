"""What a job says while it runs: one line per batch on standard error, as text or as JSON."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from broker.strict_json import as_strict_json

# What the lines of this thread are about: query, batch, nights.
_about: ContextVar[dict[str, Any]] = ContextVar("about", default={})  # noqa: B039 - never changed


def log_to_stderr() -> None:
    """Send Nightjar's own messages, and warnings of libraries, to standard error."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("broker").setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_not_of_the_gateway)


def log_as(form: Literal["text", "json"], survey: str) -> None:
    """From now on say everything in that form; JSON is one object a line."""
    if form == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines(survey))


@contextmanager
def lines_about(**words: Any) -> Iterator[None]:
    """Say of every line of this thread what it is about, while the body runs.

    Parameters
    ----------
    words
        ``query``, ``batch``, ``night``.
    """
    token = _about.set(_about.get() | words)
    try:
        yield
    finally:
        _about.reset(token)


def note(**words: Any) -> None:
    """The same until the body of `lines_about` that this lies in ends."""
    _about.set(_about.get() | words)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, survey, and what `lines_about` says.

    Parameters
    ----------
    survey
        Whose alerts this process handles.
    """

    def __init__(self, survey: str) -> None:
        super().__init__()
        self._survey = survey

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        said: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "survey": self._survey,
            **_about.get(),
        }
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return as_strict_json(said)


def _is_not_of_the_gateway(record: logging.LogRecord) -> bool:
    """Drop py4j's traces: it logs every error that it passes on, and we name each once."""
    return "py4j" not in record.pathname
