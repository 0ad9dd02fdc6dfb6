"""Python environments of judges: other people's programs, each in an environment of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENTS = ROOT / ".setup" / "judges"
_DIGEST = "made-from"
"""File of a finished environment: digest of its requirements, and where it was made."""


def judge_python(requirements: Path, environments: Path = _ENVIRONMENTS) -> Path:
    """Python of the environment that a requirements file describes; made once, then kept.

    Parameters
    ----------
    requirements
        File of pinned requirements; the environment is named after its folder.
    environments
        Folder of all environments.

    Raises
    ------
    pytest.fail.Exception
        The environment cannot be made; the message has the last words of uv.
    """
    folder = environments / requirements.parent.name
    python = folder / "bin" / "python"
    key = f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} in {folder}"
    with _lock(folder.with_suffix(".lock")):
        if not _is_made_from(folder, key):
            shutil.rmtree(folder, ignore_errors=True)
            make_environment(folder, ["--requirement", requirements], about=requirements)
            (folder / _DIGEST).write_text(key, encoding="utf-8")
    return python


def make_environment(folder: Path, install: Sequence[str | Path], about: Path) -> Path:
    """Python of a new environment.

    Parameters
    ----------
    folder
        Of the environment.
    install
        Arguments of ``uv pip install``.
    about
        File that the environment is made for, named where it cannot be made.
    """
    python = folder / "bin" / "python"
    run_uv("venv", "--quiet", "--python", sys.executable, folder, about=about)
    run_uv("pip", "install", "--quiet", "--python", python, *install, about=about)
    return python


def run_judge(
    python: Path, words: Sequence[str | Path], cwd: Path | None = None, timeout: float = 600
) -> str:
    """Standard output of a program in a judge's environment; a failure shows what it said.

    Parameters
    ----------
    python
        Of `judge_python`.
    words
        Arguments for that Python.
    cwd
        Working folder.
    timeout
        Seconds.
    """
    done = run_alone([python, *words], cwd, timeout)
    if done.returncode != 0:
        pytest.fail(f"{words[0]} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def _is_made_from(folder: Path, key: str) -> bool:
    try:
        return (folder / _DIGEST).read_text(encoding="utf-8") == key
    except FileNotFoundError:
        return False


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Two workers of pytest make one environment one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_uv(*words: str | Path, about: Path) -> None:
    """Run uv, which set-up has put on PATH or into .venv; say where it fails for which file."""
    search = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    uv = shutil.which("uv", path=search)
    name = about.relative_to(ROOT) if about.is_relative_to(ROOT) else about
    if uv is None:
        pytest.fail(f"no uv to make the environment of {name}: run bin/test, or pip install uv")
    done = run_alone([uv, *words])
    if done.returncode != 0:
        pytest.fail(
            f"cannot make the environment of {name}: uv {words[0]} ended with {done.returncode}:\n"
            f"{done.stderr[-2000:].strip()}\n"
            "Judges fetch their packages once: connect the network (or set HTTPS_PROXY),"
            " then run bin/test --judges again.",
            pytrace=False,
        )


def run_alone(
    command: Sequence[str | Path], cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program without what would lead it to our own packages and our own Spark."""
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "SPARK_HOME", "SPARK_CONF_DIR")
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        command, cwd=cwd, env=environ, timeout=timeout, capture_output=True, text=True, check=False
    )
