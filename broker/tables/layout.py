"""Layout of a survey's root: every path of a table, the ledger, staging and what is replaced.

Nothing outside `broker.tables` spells such a path.
"""

from __future__ import annotations

from collections.abc import Sequence

ONLINE = {"raw": "online/raw", "science": "online/science"}
"""Table → folder of the batches that no closed night holds yet."""
ARCHIVE = {"raw": "archive/raw", "science": "archive/science"}
"""Table → folder of its closed nights."""
VERSIONS = {"raw": "versions/raw", "science": "versions/science"}
"""Table → folder of nights that were replaced."""
AREAS = {**ONLINE, "quarantine": "quarantine"}
"""Table → folder that batches are published to."""
FORMAT = "format.json"
"""File with the number of this layout."""
CLOSED_NIGHTS = "ledger/closed"
"""Folder of the ledger of closed nights."""
HEADERS = "headers"
"""Folder of the container headers that the decoder has met."""
BATCH_IN_PATH = "/batch=([^/]+)/[^/]+$"
"""Regular expression: the key in the path of a file of an online batch."""
SEAL = "ledger.parquet"
"""Ledger row in a staged folder; where it is, the folder is final."""


# --- tables --------------------------------------------------------------------------------------


def night_folder(area: str, night: int) -> str:
    """Folder of one night of a table."""
    return f"{area}/night={night}"


def batch_folder(area: str, night: int, key: str) -> str:
    """Folder of one batch's rows of one night."""
    return f"{night_folder(area, night)}/batch={key}"


def night_of(name: str) -> int:
    """Night of a folder's name ``night=YYYYMMDD``."""
    return int(name.removeprefix("night="))


def batch_of(name: str) -> str:
    """Key of a folder's name ``batch=KEY``."""
    return name.removeprefix("batch=")


def nights_in(names: Sequence[str]) -> list[int]:
    """Nights of those names that are of a night's folder."""
    return [night_of(name) for name in names if name.startswith("night=")]


def version_folder(table: str, night: int, state: str) -> str:
    """Folder of the files that were a night's in one of its earlier states."""
    return f"{night_folder(VERSIONS[table], night)}/state={state}"


def state_of(name: str) -> str:
    """State of a folder's name ``state=NNNNNN``."""
    return name.removeprefix("state=")


# --- ledger --------------------------------------------------------------------------------------


def ledger_folder(stage: str) -> str:
    """Folder of a stage's ledger rows, one file a batch."""
    return f"ledger/stage={stage}"


def ledger_folders(stages: Sequence[str]) -> str:
    """Pattern (glob) of several stages' folders."""
    return f"ledger/stage={{{','.join(stages)}}}"


def ledger_path(stage: str, key: str) -> str:
    """File of one batch's ledger row."""
    return f"{ledger_folder(stage)}/{key}.parquet"


def compacted_folder(stage: str) -> str:
    """Folder of a stage's compacted ledger rows."""
    return f"ledger/folded/stage={stage}"


def closed_night_folder(night: int) -> str:
    """Folder of all states of a closed night."""
    return night_folder(CLOSED_NIGHTS, night)


def closed_night_path(night: int, key: str) -> str:
    """File of one state of a closed night."""
    return f"{closed_night_folder(night)}/{key}.parquet"


def filter_text_path(digest: str) -> str:
    """File of a filter's text as it was when the filter ran."""
    return f"ledger/filters/{digest}.toml"


# --- work in hand --------------------------------------------------------------------------------


def staging_folder(stage: str) -> str:
    """Folder of everything unfinished of a stage."""
    return f"staging/{stage}"


def checkpoint_folder(job: str) -> str:
    """Folder where a job keeps how far it has come: Spark's, or its own."""
    return f"checkpoints/{job}"


def lock_path(stage: str) -> str:
    """File that the one live writer of a stage holds."""
    return f"locks/{stage}"


def header_path(digest: str) -> str:
    """File of one container header."""
    return f"{HEADERS}/{digest}.json"
