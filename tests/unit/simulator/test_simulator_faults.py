"""Faults on purpose: as many as asked for, always the same, and bounded."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from broker.simulator.faults import KINDS, REPEAT_WITHIN, FaultCounts, Faults, corrupt, spoil
from broker.simulator.messages import FramedMessage, SimulatedAlert

NIGHT = [
    FramedMessage(
        SimulatedAlert(f"{n}", n / 100, "o", b""), b"o", b"Obj\x01 packet\n %d" % n, n / 100, 0
    )
    for n in range(2000)
]


def spoilt(faults: Faults) -> tuple[list[FramedMessage], FaultCounts]:
    counts = FaultCounts()
    return list(spoil(iter(NIGHT), faults, counts)), counts


def test_no_faults_change_nothing() -> None:
    assert spoilt(Faults()) == (NIGHT, FaultCounts())


def test_the_corrupted_fraction_is_counted_and_no_alert_is_lost() -> None:
    messages, counts = spoilt(Faults(corrupt_fraction=0.2))
    changed = [m for m, whole in zip(messages, NIGHT, strict=True) if m.value != whole.value]
    assert len(changed) == counts.corrupted == sum(not m.is_whole for m in messages)
    assert 300 < counts.corrupted < 500
    assert [m.alert for m in messages] == [m.alert for m in NIGHT]


def test_repeats_follow_their_first_copy_closely() -> None:
    messages, counts = spoilt(Faults(repeat_fraction=0.1))
    places: dict[str, list[int]] = {}
    for place, message in enumerate(messages):
        places.setdefault(message.alert.name, []).append(place)
    twice = [found for found in places.values() if len(found) == 2]
    assert len(places) == len(NIGHT)
    assert len(twice) == counts.repeated == len(messages) - len(NIGHT)
    assert 130 < counts.repeated < 270
    # Other repeats may lie between the two.
    assert all(0 < late - early <= 2 * REPEAT_WITHIN for early, late in twice)


def test_only_whole_messages_are_repeated() -> None:
    messages, counts = spoilt(Faults(corrupt_fraction=0.5, repeat_fraction=0.5))
    assert sum(not m.is_whole for m in messages) == counts.corrupted
    whole = [m for m in messages if m.is_whole]
    assert len({m.value for m in whole}) == len(NIGHT) - counts.corrupted
    assert len(whole) == len(NIGHT) - counts.corrupted + counts.repeated


@pytest.mark.parametrize("window", [1, 7, 50])
def test_nobody_moves_further_than_the_window(window: int) -> None:
    messages, _ = spoilt(Faults(shuffle_window=window))
    moved = [place - int(m.alert.name) for place, m in enumerate(messages)]
    assert sorted(messages, key=lambda m: m.days) == NIGHT
    assert any(moved) or window == 1
    assert max(map(abs, moved)) <= window


def test_the_seed_decides_everything() -> None:
    faults = Faults(0.1, 0.1, 20, seed=1)
    assert spoilt(faults) == spoilt(faults)
    assert spoilt(faults)[0] != spoilt(replace(faults, seed=2))[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_corruption_changes_a_packet(kind: object) -> None:
    value = b"Obj\x01header\nbody"
    assert callable(kind)
    assert kind(value, random.Random(1)) != value


@pytest.mark.parametrize("value", [b"", b"x", b"\xff" * 40])
def test_a_corrupted_value_is_never_the_value(value: bytes) -> None:
    assert all(corrupt(value, random.Random(seed)) != value for seed in range(50))
