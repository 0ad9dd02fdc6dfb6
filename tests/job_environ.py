"""The environment of jobs that live for a test only."""

from __future__ import annotations

import os
from pathlib import Path

_TESTS = Path(__file__).resolve().parent
_RUN_TIME = _TESTS / "run_time"
_KILLING = _TESTS / "e2e" / "killing"


def job_environ(killing: bool = False) -> dict[str, str]:
    """This process's own, in which a job finds no more than in operation.

    Parameters
    ----------
    killing
        With what decides who dies at a fault point.
    """
    path = [str(_RUN_TIME), os.environ.get("PYTHONPATH", "")]
    if killing:
        path.insert(0, str(_KILLING))
    return {
        **os.environ,
        "SPARK_CONF_DIR": str(_TESTS.parent / "conf"),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }
