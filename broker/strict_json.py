"""JSON that every reader takes and that changes no value: what any command or file says as JSON."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Above, a reader of JSON that knows only doubles would change the number.
_LARGEST_EXACT_INTEGER = 2**53


def as_strict_json(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Value as JSON text, at every depth.

    NaN and infinities, which JSON lacks, are null; integers beyond 2⁵³ are strings; times are in
    ISO 8601; bytes are told by their size; all else is its own text.

    Examples
    --------
    >>> as_strict_json({"ids": [2**60, 7], "mag": float("nan"), "image": b"123"})
    '{"ids": ["1152921504606846976", 7], "mag": null, "image": "<3 bytes>"}'
    """
    return json.dumps(
        _plain(value), indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):  # DuckDB's sums of whole numbers
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT_INTEGER:
        return str(value)
    return value if isinstance(value, int | str | None) else _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
