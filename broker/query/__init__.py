"""The read side: tables queried without Spark."""

from broker.query.archive import Archive

__all__ = ["Archive"]
