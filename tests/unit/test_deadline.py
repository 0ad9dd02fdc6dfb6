"""A deadline passes once, and begins again when it is restarted."""

from __future__ import annotations

import pytest

from broker import deadline as module
from broker.deadline import Deadline


def test_a_deadline_passes_and_can_be_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    deadline = Deadline(2.0)
    now[0] = 101.5
    assert not deadline.has_passed
    assert deadline.left == 0.5
    now[0] = 103.0
    assert deadline.has_passed
    assert deadline.left == 0.0
    deadline.restart()
    assert not deadline.has_passed
