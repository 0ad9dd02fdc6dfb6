"""Reasons why a packet, or its file or schema, cannot be used: code, meaning, who acts, how.

The codes are in quarantine tables and ledgers: none of them is ever renamed. The detail beside a
code, with the offending value, is written where the packet is refused: `broker.ingest.framing` and
`broker.ingest.decode` on the stream, `broker.packets.container` and `datum` elsewhere.
"""

from __future__ import annotations

from enum import StrEnum

_SEND_BACK = "`quarantine show TOPIC PARTITION OFFSET --save packet.avro`, and send that to them"
_ASK = "ask the survey; nothing to replay unless our check is wrong"
_ADD_SCHEMA = "add it under `schemas/` (schemas/README.md), then replay"


class Actor(StrEnum):
    """Who can do something about a refused packet."""

    SENDER = "the sender"
    SURVEY = "the survey: a clock, a test stream, or the wrong schema"
    OPERATOR = "you"
    CALLER = "whoever gave the file, schema or record"


class Reason(StrEnum):
    """Reason code, as quarantine and ledger have it.

    Attributes
    ----------
    meaning
        What is wrong, in a few words.
    actor, action
        Who acts, and how.

    Examples
    --------
    >>> Reason.EMPTY == "empty"
    True
    >>> Reason("empty").meaning
    'the message has no bytes'
    """

    meaning: str
    actor: Actor
    action: str

    def __new__(cls, code: str, meaning: str, actor: Actor, action: str) -> Reason:
        """Make a member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.actor, member.action = meaning, actor, action
        return member

    EMPTY = "empty", "the message has no bytes", Actor.SENDER, _SEND_BACK
    NOT_AVRO = "not_avro", "neither framing nor container is recognised", Actor.SENDER, _SEND_BACK
    NOT_CONFLUENT = (
        *("not_confluent", "no 0x00 and 4-byte schema id at the start"),
        *(Actor.SENDER, _SEND_BACK),
    )
    TRUNCATED = "truncated", "the packet ends too early", Actor.SENDER, _SEND_BACK
    HEADER_UNREADABLE = (
        *("header_unreadable", "the container's header or schema is damaged"),
        *(Actor.SENDER, _SEND_BACK),
    )
    CONTAINER_FORM = (
        *("container_form", "not one uncompressed record per container"),
        *(Actor.SENDER, _SEND_BACK),
    )
    DECODE_FAILED = (
        *("decode_failed", "the bytes do not fit the writer schema"),
        *(Actor.SENDER, _SEND_BACK),
    )
    SCHEMA_UNKNOWN = (
        *("schema_unknown", "a schema version that bare and confluent packets do not bring along"),
        *(Actor.OPERATOR, _ADD_SCHEMA),
    )
    HEADER_UNKNOWN = (
        *("header_unknown", "more new versions in one batch than are learnt at once"),
        *(Actor.OPERATOR, "replay"),
    )
    ID_MISSING = "id_missing", "no id of the alert or object", Actor.SURVEY, _ASK
    POSITION_INVALID = "position_invalid", "not a position on the sky", Actor.SURVEY, _ASK
    TIME_INVALID = "time_invalid", "outside the survey's time range", Actor.SURVEY, _ASK
    # Of files, schemas and single packets that a command was given; never in quarantine.
    TRAILING_BYTES = (
        *("trailing_bytes", "bytes are left over after the packet"),
        *(Actor.CALLER, "give the schema that it was written with"),
    )
    SCHEMA_UNREADABLE = (
        *("schema_unreadable", "not an Avro record schema"),
        *(Actor.CALLER, "correct the schema"),
    )
    ENCODE_FAILED = (
        *("encode_failed", "the record does not fit its schema"),
        *(Actor.CALLER, "correct the record or its schema"),
    )
    UNREADABLE = (
        *("unreadable", "no such file, or one that cannot be read"),
        *(Actor.CALLER, "give another file"),
    )


QUARANTINED = tuple(reason for reason in Reason if reason.actor is not Actor.CALLER)
"""Reasons that the quarantine table can have."""


def reasons_table() -> str:
    """Table of the quarantine's reasons in Markdown, as docs/operators.md shows it."""
    lines = ["| reason | meaning | who acts | what to do |", "|---|---|---|---|"]
    lines += [f"| `{r}` | {r.meaning} | {r.actor} | {r.action} |" for r in QUARANTINED]
    return "\n".join(lines) + "\n"
