"""Random numbers that are functions of what they belong to, not of the order of drawing.

Every number is a hash of (key of the object, name of the quantity, optionally an exposure), so an
object looks the same in whichever chunk, night position or process it is computed, and two alerts
of one object agree on their common history. The hash is the finaliser of SplitMix64 (Steele, Lea
& Flood 2014), which passes the usual batteries when fed with distinct counters.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def mix(values: Keys) -> Keys:
    """Scramble 64-bit integers (SplitMix64 finaliser)."""
    with np.errstate(over="ignore"):
        mixed = values + _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        return mixed ^ (mixed >> np.uint64(31))


@lru_cache(maxsize=512)
def channel(name: str) -> np.uint64:
    """Turn the name of a quantity into a well-mixed constant."""
    return np.uint64(mix(np.array([zlib.crc32(name.encode())], dtype=np.uint64))[0])


def stream_key(*parts: int) -> np.uint64:
    """Key of a whole family of objects, such as (seed, night, population)."""
    key = np.zeros(1, dtype=np.uint64)
    for part in parts:
        key = mix(key ^ np.uint64(part % 2**64))
    return np.uint64(key[0])


def keys_of(stream: np.uint64, numbers: npt.NDArray[Any]) -> Keys:
    """Keys of the objects with these numbers in a family."""
    return mix(mix(numbers.astype(np.uint64)) ^ stream)


class Draws:
    """Named random numbers of a set of objects.

    Parameters
    ----------
    keys
        One key per object, shape (K,).
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def __getitem__(self, index: Any) -> Draws:
        return Draws(self.keys[index])

    def uniform(self, name: str, at: npt.NDArray[Any] | None = None) -> Floats:
        """Uniform in (0, 1); shape (K,), or that of ``at``, integers of shape (K, E)."""
        return _unit(self._hashed(name, at))

    def between(self, name: str, low: float, high: float) -> Floats:
        """Uniform in (low, high); shape (K,)."""
        return low + (high - low) * self.uniform(name)

    def normal(self, name: str, at: npt.NDArray[Any] | None = None) -> Floats:
        """Standard normal (Box & Muller 1958); shape as in :meth:`uniform`."""
        hashed = self._hashed(name, at)
        radius = np.sqrt(-2.0 * np.log(_unit(hashed)))
        return np.asarray(radius * np.cos(2.0 * np.pi * _unit(mix(hashed))))

    def gaussian(
        self, name: str, mean: float, sigma: float, low: float = -np.inf, high: float = np.inf
    ) -> Floats:
        """Normal with a mean and a width, clipped to [low, high]; shape (K,)."""
        return np.clip(mean + sigma * self.normal(name), low, high)

    def exponential(self, name: str, mean: float = 1.0) -> Floats:
        """Exponential with a mean; shape (K,)."""
        return np.asarray(-mean * np.log(self.uniform(name)))

    def power_of_ten(self, name: str, low: float, high: float, slope: float) -> Floats:
        """Magnitudes whose number grows as 10^(slope·m) between two ends; shape (K,)."""
        bottom, top = 10.0 ** (slope * low), 10.0 ** (slope * high)
        return np.asarray(np.log10(bottom + (top - bottom) * self.uniform(name)) / slope)

    def choice(self, name: str, weights: tuple[float, ...]) -> Ints:
        """Index into ``weights`` with these probabilities; shape (K,)."""
        edges = np.cumsum(weights) / np.sum(weights)
        return np.searchsorted(edges[:-1], self.uniform(name), side="right").astype(np.int64)

    def _hashed(self, name: str, at: npt.NDArray[Any] | None) -> Keys:
        base = mix(self.keys ^ channel(name))
        if at is None:
            return base
        return mix(base[:, None] ^ mix(at.astype(np.uint64)))


def _unit(hashed: Keys) -> Floats:
    """Open interval (0, 1): the half keeps both ends out."""
    return ((hashed >> np.uint64(11)).astype(np.float64) + 0.5) * _TO_UNIT
