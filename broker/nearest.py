"""Did-you-mean: the known names most like one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Known word most like this one; None when none is like it.

    Parameters
    ----------
    cutoff
        Least similarity (0–1).
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def nearest_path(path: str, known: Sequence[str]) -> str | None:
    """Known dotted path most like this one: the same name elsewhere, else a like spelling."""
    last = path.rpartition(".")[2].lower()
    same = [item for item in known if item.rpartition(".")[2].lower() == last]
    close = nearest(path, same or known, cutoff=0.0 if same else 0.5)
    if close is not None:
        return close
    by_last = {item.rpartition(".")[2]: item for item in reversed(known)}
    found = nearest(last, by_last, cutoff=0.6)
    return by_last[found] if found is not None else None


def nearest_first(word: str, known: Iterable[str]) -> list[str]:
    """Known words, the most similar to this one first, then by name."""
    matcher = difflib.SequenceMatcher(b=word)

    def unlikeness(item: str) -> float:
        matcher.set_seq1(item)
        return -matcher.ratio()

    return sorted(known, key=lambda item: (unlikeness(item), item))


def did_you_mean(word: str, known: Sequence[str], prefix: str = "") -> str:
    """Next step of a message on an unknown word: the nearest known one, else all of them.

    Parameters
    ----------
    prefix
        What stands before the word, such as its section and a dot.

    Examples
    --------
    >>> did_you_mean("framng", ["framing", "schema"], "ingest.")
    'did you mean ingest.framing?'
    >>> did_you_mean("x", ["framing", "schema"])
    'known: framing, schema'
    """
    near = nearest(word, known)
    return f"did you mean {prefix}{near}?" if near is not None else f"known: {', '.join(known)}"
