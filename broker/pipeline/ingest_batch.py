"""One batch of packets, from Kafka or from quarantine, staged as raw and quarantine rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.errors import LedgerError
from broker.ingest.decoder import PacketDecoder
from broker.ingest.rows import quarantine_rows, raw_rows
from broker.packets.reasons import Reason
from broker.sinks.publish import Attempt
from broker.tables.ledger_row import NightCount, ReasonCount

# Each round reads the batch again; a survey's whole history has fewer headers than this many learn.
_LEARNING_ROUNDS = 8


@dataclass(frozen=True)
class Ingested:
    """What became of one batch of packets."""

    read: int
    written: int
    bytes_read: int
    by_night: tuple[NightCount, ...]
    by_reason: tuple[ReasonCount, ...]

    @property
    def quarantined(self) -> int:
        """Packets that did not become rows."""
        return self.read - self.written


@dataclass(frozen=True)
class _Pass:
    read: int
    written: int
    unknown: int
    bytes_read: int


def ingest(
    decoder: PacketDecoder, packets: DataFrame, attempt: Attempt, *, keep_refused: bool = True
) -> Ingested:
    """Stage the raw and quarantine tables of a batch.

    Messages with a container header never met before are decoded in a second pass, once it is
    learnt; a quarantine pass runs only when something is refused.

    Parameters
    ----------
    decoder
        The survey's decoder.
    packets
        ``value, topic, partition, offset, kafka_timestamp, batch_time``.
    attempt
        Where to stage.
    keep_refused
        Stage refused packets too; not when they come from quarantine, where they stay.

    Raises
    ------
    LedgerError
        The files do not hold what was counted on the way into them.
    """
    decoder.forget_passing()
    seen = _stage_sound(decoder, packets, attempt)
    if seen.read > seen.written and keep_refused:
        _stage_refused(decoder, packets, attempt)
    staged = attempt.rows_by_night("raw")
    refused = attempt.count_by("quarantine", "reason")
    expected = seen.read - seen.written if keep_refused else 0
    if sum(staged.values()) != seen.written or sum(refused.values()) != expected:
        raise LedgerError(
            f"batch {attempt.key}: {seen.read} packets were read, but {sum(staged.values())} raw "
            f"rows and {sum(refused.values())} quarantined ones are in its files; start again, and "
            "if it repeats, keep the staging folder and report it"
        )
    return Ingested(
        read=seen.read,
        written=seen.written,
        bytes_read=seen.bytes_read,
        by_night=tuple(NightCount(night, rows) for night, rows in sorted(staged.items())),
        by_reason=tuple(ReasonCount(reason, n) for reason, n in sorted(refused.items())),
    )


def _stage_sound(decoder: PacketDecoder, packets: DataFrame, attempt: Attempt) -> _Pass:
    """Write what is known, then learn and write the rest, until nothing more can be learnt."""
    if decoder.knows_nothing:
        decoder.learn(packets)
    rest = packets
    total = done = _stage_raw(decoder, packets, attempt)
    for _ in range(_LEARNING_ROUNDS):
        if not done.unknown:
            break
        rest = decoder.unknown(rest)  # to what was known until now
        if not decoder.learn(rest):
            break
        done = _stage_raw(decoder, rest, attempt)
        total = replace(total, written=total.written + done.written)
    return total


def _stage_raw(decoder: PacketDecoder, packets: DataFrame, attempt: Attempt) -> _Pass:
    counted, seen = _observed(decoder.decode(packets))
    attempt.stage_table(raw_rows(counted, decoder.survey), "raw")
    return _Pass(**{name: value or 0 for name, value in seen.get.items()})


def _stage_refused(decoder: PacketDecoder, packets: DataFrame, attempt: Attempt) -> None:
    counted, _ = _observed(decoder.decode(packets))
    attempt.stage_table(quarantine_rows(counted, decoder.survey.name, attempt.stage), "quarantine")


def _observed(checked: DataFrame) -> tuple[DataFrame, Observation]:
    """Count what flows by.

    The counting also keeps Spark from pushing the choice of rows below the decoder, where it would
    decode every packet once for each mention of one of its fields.
    """
    seen = Observation()
    counted = checked.observe(
        seen,
        F.count(F.lit(1)).alias("read"),
        F.count_if(F.col("reason").isNull()).alias("written"),
        F.count_if(F.col("reason") == Reason.HEADER_UNKNOWN.value).alias("unknown"),
        F.sum("packet_bytes").alias("bytes_read"),
    )
    return counted, seen
