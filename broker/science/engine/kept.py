"""Values that one batch computes once for all its modules, kept with the batch.

A value belongs to an Arrow array, known by the addresses of its buffers: the NumPy form of a light
curve's magnitudes, the codes of its bands. Outside a batch nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import pyarrow as pa

Value = TypeVar("Value")
# The arrays are kept as well, so that no other one gets their address.
_KEPT: ContextVar[dict[Hashable, tuple[pa.Array, Any]] | None] = ContextVar("kept", default=None)


@contextmanager
def kept_with_batch() -> Iterator[None]:
    """Keep what `once` computes until the enclosed block ends."""
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def once(array: pa.Array, form: Hashable, compute: Callable[[], Value]) -> Value:
    """A form of an array, computed at most once per batch."""
    kept = _KEPT.get()
    if kept is None:
        return compute()
    key = _key(array, form)
    if key not in kept:
        kept[key] = (array, compute())
    value: Value = kept[key][1]
    return value


def keep(array: pa.Array, forms: Mapping[Hashable, Any]) -> None:
    """Forms of an array that are known already."""
    kept = _KEPT.get()
    if kept is not None:
        kept.update({_key(array, form): (array, value) for form, value in forms.items()})


def _key(array: pa.Array, form: Hashable) -> Hashable:
    addresses = [0 if buffer is None else buffer.address for buffer in array.buffers()]
    return (form, array.offset, len(array), *addresses)
