"""Format number of a survey's root: which version of Nightjar can read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from broker.errors import SettingsError
from broker.tables.layout import FORMAT

if TYPE_CHECKING:
    from broker.tables.storage import Storage

NUMBER = 1
"""Format that this version writes, and the highest that it reads.

Raise it when an older version could no longer read, or would damage, what this one writes. Roots
that were made before there was a number have format 1.
"""


def check_format(storage: Storage) -> None:
    """Refuse a root that only a newer version understands.

    Raises
    ------
    SettingsError
        The root's number is higher than `NUMBER`, or its file does not hold one.
    """
    found = _number(storage)
    if found is not None and found > NUMBER:
        raise SettingsError(
            f"storage.root: {storage.uri('')} has format {found}, and this version of Nightjar "
            f"reads at most {NUMBER}; install the version that wrote it, or give another root"
        )


def claim_format(storage: Storage) -> None:
    """Write the number into a root that has none yet, or a lower one."""
    if _number(storage) != NUMBER:
        storage.write_text(json.dumps({"format": NUMBER}) + "\n", FORMAT)


def _number(storage: Storage) -> int | None:
    """Root's number; None where it has no such file."""
    try:
        text = storage.read_text(FORMAT)
    except FileNotFoundError:
        return None
    try:
        return int(json.loads(text)["format"])
    except (ValueError, KeyError, TypeError):
        raise SettingsError(
            f'storage.root: {storage.uri(FORMAT)} does not hold {{"format": N}}; restore it from '
            "a backup, or remove it if no newer version has written here"
        ) from None
