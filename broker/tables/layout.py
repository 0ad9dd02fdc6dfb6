"""Layout of a survey's root: every path of a table, the ledger, staging and what is replaced.

Nothing outside `broker.tables` spells such a path.
"""

from __future__ import annotations

ONLINE = {"raw": "online/raw", "science": "online/science"}
"""Table → folder of the batches that no closed night holds yet."""
ARCHIVE = {"raw": "archive/raw", "science": "archive/science"}
"""Table → folder of its closed nights."""
VERSIONS = {"raw": "versions/raw", "science": "versions/science"}
"""Table → folder of nights that were replaced."""
AREAS = {**ONLINE, "quarantine": "quarantine"}
"""Table → folder that batches are published to."""


def night_folder(area: str, night: int) -> str:
    """Folder of one night of a table."""
    return f"{area}/night={night}"


def batch_folder(area: str, night: int, key: str) -> str:
    """Folder of one batch's rows of one night."""
    return f"{night_folder(area, night)}/batch={key}"


def night_of(name: str) -> int:
    """Night of a folder's name ``night=YYYYMMDD``."""
    return int(name.removeprefix("night="))
