"""A whole run against a sender that only listens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.errors import CheckFailed, InputError, UsageError
from broker.packets.framing import Decoder
from broker.settings import SimulatorSettings, load_settings
from broker.simulator.faults import Faults
from broker.simulator.messages import Framer, StoredForm
from broker.simulator.order import StoredNight
from broker.simulator.play import Play, PlayPlan, play_source
from broker.simulator.report import Skipped
from broker.simulator.send import Deliveries
from broker.simulator.sources import find_groups
from broker.surveys import get_survey


class Listener:
    """Takes every message; `refuses` says which keys fail."""

    def __init__(self, clock: Any, refuses: Callable[[bytes], bool] = lambda _key: False) -> None:
        self.deliveries = Deliveries()
        self.sent: list[tuple[float, bytes, bytes]] = []
        self.flushed: list[int] = []
        self._clock = clock
        self._refuses = refuses

    def send(self, key: bytes, value: bytes) -> None:
        if self._refuses(key):
            self.deliveries.failed += 1
            return
        self.sent.append((self._clock.now() - 1000.0, key, value))
        self.deliveries.sent += 1
        self.deliveries.sent_bytes += len(value)

    def flush(self) -> None:
        self.flushed.append(len(self.sent))


@pytest.fixture
def folder(tmp_path: Path, make_ztf: Callable[..., bytes]) -> Path:
    """12 alerts, an hour apart, in names that run against time."""
    for n in range(12):
        (tmp_path / f"{99 - n}.avro").write_bytes(make_ztf(n + 1, 2459000.5 + n / 24))
    return tmp_path


def run(folder: Path, clock: Any, plan: PlayPlan | None = None, **wanted: Any) -> Listener:
    listener = Listener(clock, wanted.pop("refuses", lambda _key: False))
    night = StoredNight(find_groups(folder, get_survey("ztf")), Decoder(), Skipped(strict=False))
    framer = Framer(StoredForm(None, None), "container", None, None, pytest.fail)
    play = Play(
        SimulatorSettings(**wanted),
        plan or PlayPlan(),
        framer=framer,
        sender=listener,
        skipped=Skipped(strict=False),
        clock=clock,
    )
    play.run(night, str(folder))
    return listener


def candids(listener: Listener) -> list[int]:
    return [Decoder().decode(value).record["candid"] for _, _, value in listener.sent]


def test_observations_print_the_lines_and_the_last_one_is_smaller(
    folder: Path, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = run(
        folder, clock, alerts_per_observation=5, interval_seconds=2.0, display="candidate,jd"
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"Total alert available ({folder}): 12", "Total alert to be sent: 12"]
    assert re.fullmatch(r"t0: \d+\.\d+", lines[2])
    assert lines[3:12] == [
        "Observation start: t0 + : 0.00 seconds",
        "5 alerts sent (2459000.5 to 2459000.6666666665)",
        "Observation 1 done...",
        "Observation start: t0 + : 2.00 seconds",
        "5 alerts sent (2459000.7083333335 to 2459000.875)",
        "Observation 2 done...",
        "Observation start: t0 + : 4.00 seconds",
        "2 alerts sent (2459000.9166666665 to 2459000.9583333335)",
        "Observation 3 done...",
    ]
    assert re.fullmatch(
        r"Sent 12, failed 0, 4\.00 seconds, 3\.0 alerts per second, 0\.00 MB per second", lines[12]
    )
    assert len(lines) == 13
    assert candids(listener) == list(range(1, 13))
    assert listener.flushed == [5, 10, 12]


@pytest.mark.parametrize(
    ("size", "observations", "sent"),
    [
        (5, 2, 10),
        (5, 3, 12),
        (5, -1, 12),
        (4, 3, 12),
        (1, 1, 1),
        (5, 0, 0),
        (100, -1, 12),
        (0, -1, 12),
    ],
)
def test_as_many_are_sent_as_asked_for_or_as_there_are(
    folder: Path,
    clock: Any,
    capsys: pytest.CaptureFixture[str],
    *,
    size: int,
    observations: int,
    sent: int,
) -> None:
    listener = run(folder, clock, alerts_per_observation=size, observations=observations)
    out = capsys.readouterr().out
    assert f"Total alert to be sent: {sent}\n" in out
    assert len(listener.sent) == sent
    assert out.count(" done...") == (-(-sent // size) if size else 0)


def test_integers_are_shown_as_integers(
    folder: Path, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder, clock, alerts_per_observation=12, display="candid")
    assert "12 alerts sent (1 to 12)" in capsys.readouterr().out


def test_an_unknown_display_field_is_refused_before_anything_is_sent(
    folder: Path, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="no field 'jd'"):
        run(folder, clock, alerts_per_observation=5, display="jd")
    assert capsys.readouterr().out == ""


def test_a_steady_rate_sends_evenly(folder: Path, clock: Any) -> None:
    listener = run(folder, clock, rate=4.0)
    assert [moment for moment, _, _ in listener.sent] == pytest.approx([n / 4 for n in range(12)])


def test_the_recorded_cadence_goes_on_from_round_to_round(folder: Path, clock: Any) -> None:
    listener = run(folder, clock, PlayPlan(rounds=2), speed=3600.0)
    moments = [moment for moment, _, _ in listener.sent]
    # The second round begins when the first one's last alert leaves.
    assert moments == pytest.approx([*range(12), *range(11, 23)], abs=1e-3)


def test_rounds_send_new_alerts_of_new_objects(folder: Path, clock: Any) -> None:
    listener = run(folder, clock, PlayPlan(rounds=3))
    assert len(set(candids(listener))) == len({key for _, key, _ in listener.sent}) == 36


def test_faults_are_counted_in_the_summary(
    folder: Path, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = run(folder, clock, PlayPlan(faults=Faults(repeat_fraction=1.0)))
    assert len(listener.sent) == 24
    assert "Faults: 0 corrupted, 12 repeated" in capsys.readouterr().out


def test_a_failed_delivery_fails_the_run_and_the_last_line_counts_it(
    folder: Path, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckFailed, match="1 message"):
        run(folder, clock, refuses=lambda key: key == b"ZTF183")
    assert capsys.readouterr().out.splitlines()[-1].startswith("Sent 11, failed 1, ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kafka.input_topic=ztf_[0-9]{8}"], "--topic"),
        (["simulator.rate=1", "simulator.speed=1"], "exclude each other"),
        (["simulator.observations=3"], "--alerts-per-observation"),
    ],
)
def test_an_impossible_plan_is_refused(folder: Path, words: list[str], said: str) -> None:
    settings = load_settings("ztf", None, [f"simulator.source={folder}", *words], {})
    with pytest.raises(UsageError, match=said):
        play_source(settings, PlayPlan())


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    settings = load_settings("ztf", None, [f"simulator.source={tmp_path / 'x'}"], {})
    with pytest.raises(InputError, match="/x"):
        play_source(settings, PlayPlan())
    with pytest.raises(UsageError, match="nothing to play"):
        play_source(load_settings("ztf", None, [], {}), PlayPlan())
