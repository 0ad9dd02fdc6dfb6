"""Reference images: when they were made and of how many exposures."""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic.conditions import SURVEY_STREAM
from broker.simulator.synthetic.draws import Draws, Floats, Ints, keys_of

_FIRST_MJD = 58150.0


def reference_mjd(field: Ints) -> Floats:
    """First and last exposure of a field's reference image, shape (K, 2)."""
    draws = Draws(keys_of(SURVEY_STREAM, field))
    first = _FIRST_MJD + 150.0 * draws.uniform("reference_start")
    return np.stack([first, first + 30.0 + draws.exponential("reference_span", 60.0)], axis=1)


def reference_frames(field: Ints, fid: Ints) -> Ints:
    """Number of exposures in the reference image."""
    draws = Draws(keys_of(SURVEY_STREAM, field * 10 + fid))
    return 15 + np.minimum(draws.exponential("frames", 5.0), 25.0).astype(np.int64)


def reference_id(field: Ints, fid: Ints, rcid: Ints) -> Ints:
    """The survey's number of the reference image (ZTF's ``rfid``)."""
    return field * 1_000_000 + 120_000 + fid * 100 + rcid
