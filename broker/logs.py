"""What a job says while it runs: one line per batch on standard error."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Send Nightjar's own messages, and warnings of libraries, to standard error."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("broker").setLevel(logging.INFO)
