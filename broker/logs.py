"""What a job says while it runs: one line per batch on standard error."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Send Nightjar's own messages, and warnings of libraries, to standard error."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("broker").setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_not_of_the_gateway)


def _is_not_of_the_gateway(record: logging.LogRecord) -> bool:
    """Drop py4j's traces: it logs every error that it passes on, and we name each once."""
    return "py4j" not in record.pathname
