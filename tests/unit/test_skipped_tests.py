"""A skipped test is a warning at the end of a run, with its name and reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RECORDED = (
    "tests/unit/packets/test_packet_files.py::test_the_shared_archives_hold_what_the_manifest_says"
)


def test_without_recorded_packets_a_test_of_them_is_skipped_with_a_warning(
    project_root: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", RECORDED],
        cwd=project_root,
        env={**os.environ, "NIGHTJAR_RECORDED": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        f"warning: skipped {RECORDED}: no folder of recorded packets: see NIGHTJAR_RECORDED in "
        "tests/conftest.py"
    ]
