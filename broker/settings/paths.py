"""Folders that the program reads: in a checkout, or inside the installed package."""

from __future__ import annotations

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
IN_CHECKOUT = (_CHECKOUT / "conf" / "nightjar.toml").is_file()
"""Whether the program runs from a checkout, or an archive of one, and not from a wheel."""
PROJECT_ROOT = _CHECKOUT if IN_CHECKOUT else Path(__file__).resolve().parents[1] / "resources"
"""Folder that holds ``conf/`` and ``schemas/``."""
CONF_FOLDER = PROJECT_ROOT / "conf"
DATA_BASE = _CHECKOUT if IN_CHECKOUT else Path.cwd()
"""Folder that the shipped ``storage.root`` starts from."""


def jars_folder() -> Path:
    """Folder with ``spark/`` and ``kafka/``, the Java libraries of ``conf/ivy.xml``."""
    if IN_CHECKOUT:
        return _CHECKOUT / "jars"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "nightjar" / "jars"
