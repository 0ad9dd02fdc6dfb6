"""Folders of the checkout that settings and schemas are read from."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CONF_FOLDER = PROJECT_ROOT / "conf"
