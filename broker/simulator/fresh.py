"""Make a recorded alert a new one: other ids, everything else as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

_LONG_BITS = 63


def with_fresh_ids(
    record: dict[str, Any], id_fields: Collection[str], round_number: int
) -> dict[str, Any]:
    """Copy of a packet in which every id is another one.

    Equal ids become equal new ids, so an object's alerts stay together and its history still
    names its earlier alerts. Missing ids (null, zero and negative numbers) stay missing.

    Parameters
    ----------
    record
        The packet.
    id_fields
        Names of the fields, at any depth, that hold ids.
    round_number
        Each gives other ids; the same one gives the same ids in every run.
    """
    copy: dict[str, Any] = {}
    for name, value in record.items():
        if name in id_fields:
            copy[name] = _fresh(value, round_number)
        elif isinstance(value, dict):
            copy[name] = with_fresh_ids(value, id_fields, round_number)
        elif isinstance(value, list):
            copy[name] = [
                with_fresh_ids(item, id_fields, round_number) if isinstance(item, dict) else item
                for item in value
            ]
        else:
            copy[name] = value
    return copy


def _fresh(value: Any, round_number: int) -> Any:
    if isinstance(value, str) and value:
        return f"{value}r{round_number}"
    if isinstance(value, int) and value > 0:
        # A hash, since survey ids are dense: adding anything to one may give another one's.
        digest = hashlib.blake2b(b"%d %d" % (value, round_number), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> (64 - _LONG_BITS)
    return value
