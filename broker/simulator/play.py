"""Play a night into Kafka: settings and a plan in, a topic full of alerts out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Protocol

from broker.errors import CheckFailed, InputError, UsageError
from broker.kafka.topic_names import is_pattern
from broker.packets.reasons import Reason
from broker.packets.schemas import load_schema
from broker.settings import Settings, SimulatorSettings
from broker.simulator import report
from broker.simulator.cadence import (
    Cadence,
    Pacer,
    PacingClock,
    SystemClock,
    at_once,
    bursts,
    recorded,
    steady,
)
from broker.simulator.faults import FaultCounts, Faults, spoil
from broker.simulator.messages import FramedMessage, Framer, SimulatedAlert, StoredForm
from broker.simulator.order import StoredNight
from broker.simulator.send import Deliveries, Sender, prepare_topic
from broker.simulator.sources import Group, ParquetNight, find_groups
from broker.stopping import stop_signals
from broker.surveys import get_survey
from broker.surveys.base import SCHEMAS_FOLDER


@dataclass(frozen=True)
class PlayPlan:
    """Options of one run that are no settings.

    Parameters
    ----------
    rounds
        How often the night is played; from the second time on with fresh ids.
    faults
        Faults to make in the stream.
    strict
        Stop at the first packet that cannot be used.
    own_schemas
        Send bare packets with the schema that each was written with, unless
        ``simulator.schema`` names one.
    """

    rounds: int = 1
    faults: Faults = field(default_factory=Faults)
    strict: bool = False
    own_schemas: bool = False


class Night(Protocol):
    """Alerts in the order in which they are to be played."""

    @property
    def available(self) -> int:
        """Number of alerts."""

    @property
    def span_days(self) -> float:
        """Days from the first to the last."""

    def alerts(self) -> Iterator[SimulatedAlert]:
        """All of them; again at each call."""


class Outlet(Protocol):
    """Where messages go."""

    @property
    def deliveries(self) -> Deliveries:
        """Messages delivered and failed so far."""

    def send(self, key: bytes, value: bytes) -> None:
        """Take a message."""

    def flush(self) -> None:
        """Return when the fate of every message is known."""


def play_source(settings: Settings, plan: PlayPlan) -> Deliveries:
    """Play ``simulator.source``; what became of its messages.

    Raises
    ------
    UsageError, InputError
        The night or the way to play it is impossible; nothing was sent.
    FatalError
        Kafka does not answer (any more).
    CheckFailed
        A message was not delivered.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; what was sent is confirmed and counted.
    """
    source = settings.simulator.source
    if source is None:
        raise UsageError("nothing to play: name a folder, an archive or a raw night")
    groups = find_groups(source, get_survey(settings.survey))
    stored = _stored_form(settings, groups)
    client, topic = _ready(settings)
    # Before the first pass, so that it is connected when the first alert is due.
    sender = Sender(client, topic, report.note)
    skipped = report.Skipped(plan.strict)
    with report.progress("Reading the alerts' times", len(groups)) as advance:
        night = StoredNight(groups, stored.decoder(), skipped, advance)
    if not night.available:
        raise InputError(f"{source} holds no packet that can be read", reason=Reason.UNREADABLE)
    framer = _framer(settings, plan, stored)
    clock = SystemClock(sender.serve)
    play = Play(
        settings.simulator, plan, framer=framer, sender=sender, skipped=skipped, clock=clock
    )
    play.run(night, str(source))
    return sender.deliveries


def play_night(settings: Settings, plan: PlayPlan, night: Night, label: str) -> Deliveries:
    """Play a night that is made while it is played; errors as of :func:`play_source`."""
    client, topic = _ready(settings)
    framer = _framer(settings, plan, StoredForm(None, None))
    sender = Sender(client, topic, report.note)
    skipped, clock = report.Skipped(plan.strict), SystemClock(sender.serve)
    play = Play(
        settings.simulator, plan, framer=framer, sender=sender, skipped=skipped, clock=clock
    )
    play.run(night, label)
    return sender.deliveries


class Play:
    """One run: lines out, messages to the sender, each when it is due.

    Parameters
    ----------
    wanted
        Observations, cadence and what to display.
    plan
        Rounds and faults.
    framer
        Makes messages of alerts.
    sender
        Takes them.
    skipped
        Takes note of alerts that cannot be sent.
    clock
        Says when it is.
    """

    def __init__(
        self,
        wanted: SimulatorSettings,
        plan: PlayPlan,
        *,
        framer: Framer,
        sender: Outlet,
        skipped: report.Skipped,
        clock: PacingClock,
    ) -> None:
        self._clock = clock
        self._wanted = wanted
        self._plan = plan
        self._framer = framer
        self._sender = sender
        self._skipped = skipped

    def run(self, night: Night, label: str) -> None:
        """Send the night, print the lines, and raise where a message was not delivered."""
        total = self._total(night.available * self._plan.rounds)
        counts = FaultCounts()
        whole = islice(self._messages(night), total)
        messages = spoil(self._checked(whole), self._plan.faults, counts)
        report.announce(label, night.available, total)
        with stop_signals() as is_stopped:
            pacer = Pacer(self._cadence(), self._clock, is_stopped)
            try:
                with report.progress("Sending", total) as advance:
                    self._send_all(messages, pacer, advance)
            finally:
                seconds = pacer.elapsed()
                report.summarise(self._sender.deliveries, counts, self._skipped.count, seconds)
            if is_stopped():
                raise KeyboardInterrupt
        if failed := self._sender.deliveries.failed:
            what = "message was" if failed == 1 else "messages were"
            raise CheckFailed(f"{failed} {what} not delivered")

    def _checked(self, messages: Iterator[FramedMessage]) -> Iterator[FramedMessage]:
        """Find a field that cannot be displayed while nothing is sent yet."""
        first = next(messages, None)
        if first is None:
            return messages
        self._shown(first)
        return chain([first], messages)

    def _total(self, available: int) -> int:
        if self._wanted.observations < 0:
            return available
        return min(self._wanted.alerts_per_observation * self._wanted.observations, available)

    def _cadence(self) -> Cadence:
        wanted = self._wanted
        if wanted.rate is not None:
            return steady(wanted.rate)
        if wanted.speed is not None:
            return recorded(wanted.speed)
        if wanted.alerts_per_observation:
            return bursts(wanted.alerts_per_observation, wanted.interval_seconds)
        return at_once()

    def _messages(self, night: Night) -> Iterator[FramedMessage]:
        for number in range(self._plan.rounds):
            later = number * night.span_days
            for alert in night.alerts():
                yield from self._message(alert, number, alert.days + later)

    def _message(self, alert: SimulatedAlert, number: int, days: float) -> Iterator[FramedMessage]:
        try:
            yield self._framer.message(alert, number, days)
        except InputError as error:
            if error.reason == Reason.SCHEMA_UNKNOWN:  # so for all packets alike
                raise
            self._skipped(InputError(f"{alert.name}: {error}", reason=error.reason))

    def _send_all(
        self, messages: Iterator[FramedMessage], pacer: Pacer, advance: Callable[[], None]
    ) -> None:
        evenly = self._wanted.rate is not None or self._wanted.speed is not None
        if self._wanted.alerts_per_observation and not evenly:
            self._send_observations(messages, pacer, advance)
        else:
            for index, message in enumerate(messages):
                if not pacer.wait(index, message.days):
                    break
                self._sender.send(message.key, message.value)
                advance()
            self._sender.flush()

    def _send_observations(
        self, messages: Iterator[FramedMessage], pacer: Pacer, advance: Callable[[], None]
    ) -> None:
        size = self._wanted.alerts_per_observation
        number = 0
        while (first := next(messages, None)) is not None:
            shown = [self._shown(first)]
            if not pacer.wait(number * size, first.days):
                break
            report.say(f"Observation start: t0 + : {pacer.elapsed():.2f} seconds")
            count, last = 0, first
            for last in chain([first], islice(messages, size - 1)):
                self._sender.send(last.key, last.value)
                count += 1
                advance()
            self._sender.flush()
            shown.append(self._shown(last))
            number += 1
            span = f" ({shown[0]} to {shown[1]})" if self._wanted.display else ""
            report.say(f"{count} alerts sent{span}")
            report.say(f"Observation {number} done...")

    def _shown(self, message: FramedMessage) -> object:
        if not self._wanted.display:
            return None
        return self._framer.field(message, self._wanted.display.split(","))


def _ready(settings: Settings) -> tuple[dict[str, str], str]:
    """Client options and the topic, which exists then."""
    wanted = settings.simulator
    topic = wanted.topic or settings.kafka.input_topic
    if is_pattern(topic):
        raise UsageError(f"{topic!r} is not the name of one topic; name one with --topic")
    if wanted.rate is not None and wanted.speed is not None:
        raise UsageError("a steady rate and the recorded cadence exclude each other; give one")
    if wanted.observations >= 0 and not wanted.alerts_per_observation:
        raise UsageError("say how many alerts an observation has: --alerts-per-observation N")
    client = settings.kafka.client_options()
    prepare_topic(client, topic, wanted.partitions, report.note)
    return client, topic


def _stored_form(settings: Settings, groups: Sequence[Group]) -> StoredForm:
    path = settings.simulator.schema_path or settings.ingest.schema_path
    if path is None and any(isinstance(group, ParquetNight) for group in groups):
        path = get_survey(settings.survey).schema_folder
    registry = SCHEMAS_FOLDER / settings.survey
    return StoredForm(load_schema(path) if path else None, registry)


def _framer(settings: Settings, plan: PlayPlan, stored: StoredForm) -> Framer:
    wanted = settings.simulator
    keep = plan.own_schemas and wanted.schema_path is None
    return Framer(
        stored,
        wanted.framing or settings.ingest.framing,
        None if keep else stored.schema,
        wanted.schema_id,
        report.note,
    )
