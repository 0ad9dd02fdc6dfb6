"""Iterator over alerts, from a Kafka topic or from files, for scripts and notebooks.

::

    from broker.client import iterate

    for alert in iterate("nightjar_ztf_early_snia_candidates", servers="localhost:9092"):
        print(alert["objectId"], alert["mag"])

    bright = iterate("nights/20240131", where="candidate.magpsf < 18 and candidate.drb > 0.9")
    table = pandas.json_normalize(list(bright))
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from functools import cache
from pathlib import Path

from broker.client.alert import Alert, Received
from broker.client.progress import StartOfReading
from broker.client.topic import ReceivedMessage, read_topic
from broker.client.where import Where, unknown_field_error
from broker.errors import InputError
from broker.packets.fields import field_paths
from broker.packets.files import iterate_packets
from broker.packets.framing import Decoder, Framing
from broker.packets.schemas import Schema, load_schema
from broker.settings import Settings, load_settings
from broker.surveys.base import SCHEMAS_FOLDER

OnError = Callable[[InputError], None]
Messages = Generator[ReceivedMessage, None, None]


class Alerts(Iterator[Alert]):
    """Alerts one by one, and how many there were so far.

    Attributes
    ----------
    n_read, n_chosen, n_failed
        Messages or packets read; alerts given out; messages or files that could not be used.
    seconds
        From the start to the last message; waiting for more does not count.
    """

    def __init__(
        self,
        messages: Callable[[OnError], Messages],
        decoder: Decoder,
        where: Where | None,
        max_alerts: int | None,
        on_error: OnError,
        stopped: Callable[[], bool],
    ) -> None:
        self.n_read = self.n_chosen = self.n_failed = 0
        self.seconds = 0.0
        self._decoder = decoder
        self._chooser = _Chooser(where)
        self._on_error = on_error
        self._left = max_alerts
        self._stopped = stopped
        self._alerts = self._chosen(messages(self._fail))

    def __next__(self) -> Alert:
        return next(self._alerts)

    def close(self) -> None:
        """Close the topic or archive before its end; nothing follows."""
        self._alerts.close()

    def _chosen(self, messages: Messages) -> Generator[Alert, None, None]:
        start = time.monotonic()
        with closing(messages):
            while not self._stopped() and (self._left is None or self.n_chosen < self._left):
                message = next(messages, None)
                if message is None:
                    return
                self.n_read += 1
                self.seconds = time.monotonic() - start
                alert = self._decoded(message)
                if alert is not None and self._chooser(alert):
                    self.n_chosen += 1
                    yield alert
                message.handled()

    def _decoded(self, message: ReceivedMessage) -> Alert | None:
        try:
            packet = self._decoder.decode(message.value, message.key)
        except InputError as error:
            self._fail(InputError(f"{message.origin}: {error}", reason=error.reason))
            return None
        return Alert(Received(message.origin, message.value or b"", packet))

    def _fail(self, error: InputError) -> None:
        self.n_failed += 1
        self._on_error(error)


def iterate(
    source: str | Path,
    *,
    servers: str | None = None,
    options: Mapping[str, str] | None = None,
    framing: Framing | None = None,
    schema: str | Path | None = None,
    registry: str | Path | None = None,
    where: str | None = None,
    max_alerts: int | None = None,
    timeout_seconds: float | None = 5.0,
    group: str | None = None,
    since: datetime | None = None,
    before_keep: Callable[[], None] | None = None,
    on_error: OnError | None = None,
    stopped: Callable[[], bool] = lambda: False,
    survey: str | None = None,
    settings: Settings | None = None,
) -> Alerts:
    """Iterate over the alerts of a topic, folder, archive or file.

    Parameters
    ----------
    source
        A path of packets (``.avro``, ``.avro.gz``, ``NITE*.tar.gz``) or else a topic.
        ``servers`` or ``options`` make it a topic in any case.
    servers
        ``host:port`` of the Kafka cluster. Default: that of the settings.
    options
        Further options of librdkafka.
    framing
        Default: each message shows it by itself.
    schema
        Writer schema of bare packets whose key does not bring it: an ``.avsc``, or a folder.
        Default: that of the settings.
    registry
        Folder of schemas for confluent packets. Default: the survey's in ``schemas/``.
    where
        Expression on the fields, see :mod:`broker.client.where`.
    max_alerts
        End after at most this many.
    timeout_seconds
        Of a topic: end after this many seconds without a message; 0 at its end, None never.
    group
        Of a topic: go on where the last reader of this name stopped. An alert counts as read when
        the next one is asked for, so one whose reader died comes again.
    since
        Of a topic: begin with the first alert that Kafka took then or later, even where a group
        has read on.
    before_keep
        Of a group: called at the end, before it is kept how far the group has come; until then
        nothing is.
    on_error
        Called for each message or file that cannot be used. Default: a warning.
    stopped
        Asked between alerts, and while a topic has none; True ends the iteration.
    survey
        Survey whose settings to read, unless ``settings`` are given. Default: the site's.

    Raises
    ------
    InputError, UsageError, FatalError
        No such source, an expression that does not fit, no broker.
    """
    found = settings if settings is not None else load_settings(survey)
    # For confluent packets `ingest.schema` is a folder of versions, no schema.
    own_schema = found.ingest.schema_path if found.ingest.framing == "bare" else None
    schema_path = Path(schema) if schema is not None else own_schema
    decoder = Decoder(
        framing,
        load_schema(schema_path) if schema_path is not None else None,
        Path(registry) if registry is not None else SCHEMAS_FOLDER / found.survey,
    )
    chosen = Where(where) if where is not None else None

    def messages(report: OnError) -> Messages:
        if not _is_topic(source, servers, options):
            return _stored(Path(source), report)
        kafka = kafka_options(found, str(source), servers) | dict(options or {})
        start = StartOfReading(group, since, before_keep)
        return read_topic(str(source), kafka, timeout_seconds, start, stopped)

    return Alerts(messages, decoder, chosen, max_alerts, on_error or _warn, stopped)


def _is_topic(source: str | Path, servers: str | None, options: Mapping[str, str] | None) -> bool:
    if servers is not None or options is not None:
        return True
    is_path = isinstance(source, Path) or "/" in source or Path(source).exists()
    return not is_path


def kafka_options(settings: Settings, topic: str, servers: str | None) -> dict[str, str]:
    """Options for the cluster that has the topic: ours out, the survey's in, or a given one."""
    is_output = topic.startswith(f"{settings.kafka.output_prefix}_{settings.survey}_")
    options = settings.kafka.output_options() if is_output else settings.kafka.client_options()
    if servers is not None:
        options["bootstrap.servers"] = servers
    return options


def _stored(source: Path, report: OnError) -> Messages:
    for packet in iterate_packets(source, on_error=report):
        yield ReceivedMessage(packet.value, None, packet.name)


def _warn(error: InputError) -> None:
    warnings.warn(str(error), stacklevel=2)


class _Chooser:
    """Selection by an expression; refuses fields that no version of the packets has."""

    def __init__(self, where: Where | None) -> None:
        self._where = where
        self._checked: list[Schema] = []

    def __call__(self, alert: Alert) -> bool:
        if self._where is None:
            return True
        schema = alert.received.packet.schema
        if not any(schema is checked for checked in self._checked):
            self._check(self._where, schema)
            self._checked.append(schema)
        return self._where(alert)

    def _check(self, where: Where, schema: Schema) -> None:
        known = field_paths(schema)
        if where.unknown_field(known) is None:
            return
        known += sorted(_fields_of_survey(schema["name"].partition(".")[0]))
        field = where.unknown_field(known)
        if field is not None:
            raise unknown_field_error(where, field, known)


@cache
def _fields_of_survey(survey: str) -> frozenset[str]:
    """Every field that the survey has in some version, since old packets lack new fields."""
    folders = {path.parent for path in (SCHEMAS_FOLDER / survey).rglob("*.alert.avsc")}
    return frozenset(path for folder in folders for path in field_paths(load_schema(folder)))
