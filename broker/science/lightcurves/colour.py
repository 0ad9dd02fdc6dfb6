"""colour: g − r at the alert, from its detection and the nearest one in the other band."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from broker.science.engine.to_arrow import to_struct
from broker.science.lightcurves.build import LightCurves
from broker.surveys.photometry import BANDS, DETECTION
from broker.tables.declaration import column

MAX_DAYS_APART = 1.0
_G, _R = BANDS.index("g"), BANDS.index("r")

COLOUR = pa.struct(
    [
        column("g_minus_r", pa.float64(), "mag", "g − r of the difference, not dereddened"),
        column("g_minus_r_err", pa.float64(), "mag", "1σ error"),
        column("days_apart", pa.float64(), "d", "time between the two detections"),
    ]
)


def compute_colours(curves: LightCurves) -> pa.StructArray:
    """Colour of each alert; null without a detection of its sign in the other band within 1 day.

    Of two equally near ones the earlier is taken.
    """
    this = curves.this
    other_band = np.full(curves.n_alerts, -2)
    other_band[curves.band[this] == _G] = _R
    other_band[curves.band[this] == _R] = _G
    owner = curves.owner
    apart = np.abs(curves.days_before)
    partners = np.flatnonzero(
        (curves.kind == DETECTION)
        & (curves.band == other_band[owner])
        & (curves.sign == curves.sign[this][owner])
        & (curves.sign != 0)
        & (apart <= MAX_DAYS_APART)
        & ~np.isnan(curves.mag)
    )
    nearest_first = partners[np.lexsort((apart[partners], owner[partners]))]
    nearest = nearest_first[np.flatnonzero(np.diff(owner[nearest_first], prepend=-1))]
    return _pair(curves, nearest)


def _pair(
    curves: LightCurves, partner: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> pa.StructArray:
    alert = curves.owner[partner]
    this = curves.this[alert]
    g_minus_r, error, days = (np.full(curves.n_alerts, np.nan) for _ in range(3))
    sign = np.where(curves.band[this] == _G, 1.0, -1.0)
    g_minus_r[alert] = sign * (curves.mag[this] - curves.mag[partner])
    error[alert] = np.hypot(curves.mag_err[this], curves.mag_err[partner])
    days[alert] = np.abs(curves.days_before[partner])
    columns = {"g_minus_r": g_minus_r, "g_minus_r_err": error, "days_apart": days}
    return to_struct(COLOUR, columns, ~np.isnan(g_minus_r))
