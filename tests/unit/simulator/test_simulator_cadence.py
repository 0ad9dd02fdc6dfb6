"""When alerts are due, with a clock that obeys."""

from __future__ import annotations

from typing import Any

import pytest

from broker.simulator.cadence import (
    Cadence,
    Pacer,
    SystemClock,
    at_once,
    bursts,
    recorded,
    steady,
)


def moments(cadence: Cadence, clock: Any, days: list[float]) -> list[float]:
    pacer = Pacer(cadence, clock)
    found = []
    for index, day in enumerate(days):
        pacer.wait(index, day)
        found.append(round(pacer.elapsed(), 6))
    return found


def test_at_once_never_waits(clock: Any) -> None:
    assert moments(at_once(), clock, [0, 1, 2]) == [0, 0, 0]


def test_a_steady_rate_spaces_alerts_evenly(clock: Any) -> None:
    assert moments(steady(4), clock, [0, 9, 9, 9]) == [0, 0.25, 0.5, 0.75]


def test_the_recorded_cadence_is_sped_up(clock: Any) -> None:
    second = 1 / 86_400
    assert moments(recorded(100), clock, [0, 100 * second, 250 * second]) == [0, 1, 2.5]


def test_a_burst_leaves_at_once_and_the_next_when_its_time_has_come(clock: Any) -> None:
    assert moments(bursts(2, 37), clock, [0] * 5) == [0, 0, 37, 37, 74]


def test_who_is_late_catches_up_without_leaving_anything_out(clock: Any) -> None:
    pacer = Pacer(steady(1), clock)
    pacer.wait(0, 0)
    clock.busy(2.5)
    seen = []
    for index in (1, 2, 3):
        pacer.wait(index, 0)
        seen.append(pacer.elapsed())
    assert seen == [2.5, 2.5, 3.0]


def test_an_alert_out_of_order_is_due_at_once(clock: Any) -> None:
    assert moments(recorded(86_400), clock, [0, 5, 3, 6]) == [0, 5, 5, 6]


def test_the_system_clock_goes_on_idling_until_the_time_is_over() -> None:
    asked: list[float] = []

    class Hasty(SystemClock):
        def now(self) -> float:
            return 10.0 * len(asked)

    Hasty(asked.append).sleep(25.0)
    assert asked == pytest.approx([25.0, 15.0, 5.0])


def test_a_stop_ends_the_wait_and_says_so(clock: Any) -> None:
    pacer = Pacer(bursts(1, 37), clock, lambda: pacer.elapsed() > 3)
    assert pacer.wait(0, 0)
    assert not pacer.wait(1, 0)
    assert pacer.elapsed() < 4
