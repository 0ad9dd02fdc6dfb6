"""Python environments of their own, for programs of others that read what we write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def own_python(config: pytest.Config, name: str, package: str, megabytes: int) -> Path:
    """Python of an environment with one package alone; made once, by a full run.

    Parameters
    ----------
    config
        Of this test run: only a full one fetches packages.
    name
        Of the folder below ``.setup``.
    package
        Requirement with its version.
    megabytes
        What it fetches, for the message.
    """
    folder = config.rootpath / ".setup" / name
    done = folder / package
    if not done.exists():
        if not (config.getoption("--full") or os.environ.get("NIGHTJAR_FULL")):
            pytest.skip(f"fetches {megabytes} MB once: bin/test --full, or NIGHTJAR_FULL=1")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", package]
        if subprocess.run(pip, check=False).returncode != 0:
            pytest.skip(f"{package} cannot be installed here")
        done.touch()
    return folder / "bin" / "python"
