"""Decoder of one survey's packets: messages in its framing become checked rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.errors import InputError, SettingsError
from broker.ingest.decode import DECODED, checking, decoding, identifying
from broker.ingest.framing import (
    Transform,
    bare_framing,
    confluent_framing,
    container_framing,
    without_known_header,
)
from broker.ingest.headers import LEARN_AT_ONCE, Header, KnownHeaders, parse_header
from broker.ingest.writers import Writer, align, reader_schema
from broker.packets.schemas import fingerprint, load_registered, load_schema, registered_ids
from broker.settings import IngestSettings
from broker.surveys import Survey
from broker.tables.storage import Storage

_SAMPLE = 100
_HEADER_COLUMNS = "digest string, crc32 bigint, length int, codec string, schema string"
_FOUND = f"{_HEADER_COLUMNS}, packets bigint"


class PacketDecoder:
    """Decoder of messages into checked rows.

    Parameters
    ----------
    survey
        Whose packets they are.
    ingest
        Framing and, for ``bare`` and ``confluent``, where the writer schemas are.
    storage
        The survey's folder, where container headers are remembered.

    Raises
    ------
    SettingsError
        The framing needs a schema that the settings do not name.
    """

    def __init__(self, survey: Survey, ingest: IngestSettings, storage: Storage) -> None:
        self.survey = survey
        self._ingest = ingest
        self._reader = reader_schema(survey)
        self._known = KnownHeaders(storage)
        self._passing: tuple[Header, ...] = ()
        self._aligned: dict[str, Writer] = {}
        self._fixed = self._fixed_writers()
        self._identify = identifying(survey)
        self._check = checking(survey, ingest.mjd_range)
        self._built_for: tuple[Header, ...] | None = None

    def decode(self, packets: DataFrame) -> DataFrame:
        """Add to ``value, topic, partition, offset, kafka_timestamp``: the packet, and its faults.

        Returns
        -------
        DataFrame
            With ``record``, ``alert_id``, ``object_id``, ``ra_deg``, ``dec_deg``, ``mjd``,
            ``night``, ``schema_key``, ``unknown_fields``, ``packet``, ``packet_bytes``, and
            ``reason`` and ``detail``, which are null for rows of the raw table.
        """
        if self._built_for != self._headers:
            self._frame, self._decode = self._framing(), decoding(self._writers(), self._reader)
            self._built_for = self._headers
        decoded = self._decode(self._frame(packets))
        # Asking the frame for its columns would fetch the record's whole schema from Java.
        return self._check(self._identify(decoded, [*packets.columns, *DECODED]))

    def unknown(self, packets: DataFrame) -> DataFrame:
        """Messages whose container header has not been met."""
        return without_known_header(packets, self._headers)

    def forget_passing(self) -> None:
        """Forget the headers that were learnt for one batch only."""
        self._passing = ()

    @property
    def learns(self) -> bool:
        """Whether messages bring their schemas along."""
        return self._ingest.framing == "container"

    @property
    def knows_nothing(self) -> bool:
        """Whether no message could be decoded before something is learnt."""
        return self.learns and not self._headers

    def learn(self, unknown: DataFrame) -> int:
        """Learn the headers of a batch's unknown messages; how many can be read now.

        A header that one single message carries may be a damaged one: it is used for this batch
        and not kept, so that rubbish cannot fill the memory. At most 16 are learnt in a call.
        """
        # Mostly all of them carry the same header, so a few are enough.
        met = _headers_in(unknown.limit(_SAMPLE)) or _headers_in(unknown)
        self._known.learn([header for header, packets in met.items() if packets > 1])
        kept = {header.digest for header in self._known.headers}
        self._passing += tuple(header for header in met if header.digest not in kept)
        return len(met)

    def learn_from(self, messages: list[bytes]) -> None:
        """Learn the headers that several of a few messages carry, before the stream starts."""
        if self.learns:
            met = Counter(filter(None, map(_header_or_none, messages)))
            self._known.learn([h for h, packets in met.most_common(LEARN_AT_ONCE) if packets > 1])

    @property
    def _headers(self) -> tuple[Header, ...]:
        return (*self._known.headers, *self._passing)

    def _framing(self) -> Transform:
        if self._ingest.framing == "bare":
            return bare_framing(self._fixed[0].key)
        if self._ingest.framing == "confluent":
            return confluent_framing([int(writer.key) for writer in self._fixed])
        keys = {header.digest: _schema_key(header.schema) for header in self._headers}
        return container_framing(self._headers, keys)

    def _writers(self) -> list[Writer]:
        if not self.learns:
            return self._fixed
        for header in self._headers:
            key = _schema_key(header.schema)
            if key not in self._aligned:
                self._aligned[key] = align(key, json.loads(header.schema), self._reader)
        used = {_schema_key(header.schema) for header in self._headers}
        return [self._aligned[key] for key in sorted(used)]

    def _fixed_writers(self) -> list[Writer]:
        if self.learns:
            return []
        path = self._ingest.schema_path
        if path is None:
            raise SettingsError(
                f"ingest.framing = {self._ingest.framing!r} needs ingest.schema: "
                + (
                    "an .avsc file or a folder of them, such as schemas/elasticc/0.9"
                    if self._ingest.framing == "bare"
                    else "a folder with one folder per schema version, such as schemas/lsst"
                )
            )
        if self._ingest.framing == "bare":
            schema = load_schema(path)
            return [align(fingerprint(schema), schema, self._reader)]
        ids = registered_ids(path)
        return [align(str(i), load_registered(path, i), self._reader) for i in sorted(ids)]


@lru_cache(maxsize=256)
def _schema_key(schema: str) -> str:
    return fingerprint(json.loads(schema))


def _header_or_none(value: bytes) -> Header | None:
    try:
        return parse_header(value)
    except InputError:
        return None


def _headers_in(unknown: DataFrame) -> dict[Header, int]:
    """Readable headers, the most frequent first, with the number of packets of each."""
    counted = (
        unknown.select("value")
        .mapInArrow(_headers_of, _FOUND)
        .groupBy("digest", "crc32", "length", "codec", "schema")
        .agg(F.sum("packets").alias("packets"))
        .orderBy(F.desc("packets"), "digest")
        .limit(LEARN_AT_ONCE)
    )
    rows = [row.asDict() for row in counted.collect()]
    return {Header(**{k: v for k, v in r.items() if k != "packets"}): r["packets"] for r in rows}


def _headers_of(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """Distinct readable headers of a partition's messages, with how many carry each."""
    met: Counter[Header] = Counter()
    for batch in batches:
        met.update(filter(None, (_header_or_none(v.as_py()) for v in batch.column("value"))))
    rows = [{**vars(header), "packets": packets} for header, packets in met.items()]
    schema = pa.schema(
        [
            ("digest", pa.string()),
            ("crc32", pa.int64()),
            ("length", pa.int32()),
            ("codec", pa.string()),
            ("schema", pa.string()),
            ("packets", pa.int64()),
        ]
    )
    yield pa.RecordBatch.from_pylist(rows, schema=schema)
