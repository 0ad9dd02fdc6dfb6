"""The demo as a newcomer runs it; only in the full sweep, since it empties data/demo."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def test_the_demo_accounts_for_every_alert_and_ends_with_one_as_a_subscriber_sees_it(
    full_sweep: None, project_root: Path
) -> None:
    done = subprocess.run(
        ["bin/nightjar", "demo", "--alerts", "100"],
        cwd=project_root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    filtered = re.search(r"messages committed = in the ledger +(\d+) messages", done.stdout)
    assert filtered is not None
    assert int(filtered[1]) > 0
    counts = re.findall(r"│ (\w+) +│ (\d+) +│", done.stdout)
    sent = {name: int(number) for name, number in counts}
    assert sent["real_not_solar_system"] > 0
    _, subscriber = done.stdout.split("A subscriber")
    assert re.search(r"of topic nightjar_ztf_\w+ reads its first alert", subscriber)
    assert re.search(r"ZTF\d\d[a-z]{7} +\d{18,}", subscriber)
