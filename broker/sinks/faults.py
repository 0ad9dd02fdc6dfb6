"""Fault points: ``NIGHTJAR_FAULT=<stage>:<point>[:n]`` kills the process at its n-th passing."""

from __future__ import annotations

import os
import signal
from collections import Counter

from broker.errors import SettingsError

POINTS = (
    "before_stage",
    "after_stage",
    "after_seal",
    "mid_publish",
    "before_commit",
    "after_commit",
    # In a Kafka transaction, passed at every message, and around its commit.
    "mid_send",
    "before_kafka_commit",
    "after_kafka_commit",
)
_passed: Counter[tuple[str, str]] = Counter()


def fault_point(stage: str, point: str) -> None:
    """Kill this process without a chance to clean up if the environment asks for it here."""
    wanted = os.environ.get("NIGHTJAR_FAULT")
    if not wanted:
        return
    target_stage, target_point, count = _parse(wanted)
    if (stage, point) != (target_stage, target_point):
        return
    _passed[stage, point] += 1
    if _passed[stage, point] == count:
        os.kill(os.getpid(), signal.SIGKILL)


def _parse(text: str) -> tuple[str, str, int]:
    parts = text.split(":")
    count = parts[2] if len(parts) == 3 else "1"
    if len(parts) not in (2, 3) or not count.isdigit() or int(count) < 1:
        raise SettingsError(f"NIGHTJAR_FAULT={text}: expected <stage>:<point>[:n]")
    return parts[0], parts[1], int(count)
