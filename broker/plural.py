"""Counts in sentences: ``1 batch``, ``2 batches``."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Number with its noun.

    Examples
    --------
    >>> counted(1, "alert"), counted(0, "batch"), counted(1200, "query")
    ('1 alert', '0 batches', '1,200 queries')
    """
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"
