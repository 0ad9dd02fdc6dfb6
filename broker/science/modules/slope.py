"""slope: how fast the difference brightens or fades, in magnitudes per day.

Straight lines by weighted least squares (weights 1/σ²) through the detections of the alert's own
sign, band by band; what `numpy.polyfit(t, mag, 1, w=1/σ, cov="unscaled")` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.functions import pandas_udf  # type: ignore[attr-defined]

from broker.science.engine.declaration import Rule, science_module, spark_type
from broker.science.engine.series import ModuleAlerts
from broker.science.engine.to_arrow import to_struct
from broker.surveys.arrow_columns import Bools, Ints
from broker.surveys.photometry import BANDS, DETECTION, KINDS, OPTICAL_BANDS
from broker.tables.declaration import column
from broker.units import Floats

WINDOW_DAYS = 30.0
RECENT_DAYS = 10.0
_MIN_SPAN_DAYS = 1.0 / 24.0
# Groups per alert: its bands, and an empty one that an alert of unknown band (−1) looks up.
_GROUPS = len(BANDS) + 1

LINE = pa.struct(
    [
        column("mag_per_day", pa.float64(), "mag/d", "slope; negative: the difference brightens"),
        column("mag_per_day_err", pa.float64(), "mag/d", "1σ error from the magnitude errors"),
        column("chi2_dof", pa.float64(), "", "χ² per degree of freedom; null for two points"),
        column("n_points", pa.int32(), "", "detections on the line"),
        column("span_days", pa.float64(), "d", "from the first to the last of them"),
    ]
)
OUTPUT = pa.struct(
    [
        column("slope", LINE, "", "line over the last 30 days, this alert's band and sign"),
        column("recent", LINE, "", "line over the last 10 days"),
        column("rise", LINE, "", "line from the first detection to the brightest"),
        column("fade", LINE, "", "line from the brightest detection to the last"),
        column(
            "slopes",
            pa.struct(
                [column(b, LINE, "", f"line over the last 30 days in {b}") for b in OPTICAL_BANDS]
            ),
            "",
            "line over the last 30 days in each band, this alert's sign",
        ),
    ]
)


def _explain(*inputs: pd.Series) -> list[Rule]:
    """Points and result of each line; bands without a detection are left out."""
    lines = _all_lines(_alerts(*inputs))
    return [Rule(name, _describe(line)) for name, line in lines.items() if line.n_points[0]]


@science_module(
    version="1.0",
    inputs=(
        *("lightcurve.mjd", "lightcurve.band", "lightcurve.mag", "lightcurve.mag_err"),
        *("lightcurve.is_positive", "lightcurve.kind", "mjd", "band", "is_positive"),
    ),
    output=OUTPUT,
    spread=True,
    explain=_explain,
)
@pandas_udf(spark_type(OUTPUT))
def slope(
    mjds: pd.Series,
    bands: pd.Series,
    mags: pd.Series,
    mag_errs: pd.Series,
    are_positive: pd.Series,
    kinds: pd.Series,
    mjd: pd.Series,
    band: pd.Series,
    is_positive: pd.Series,
) -> pd.DataFrame:
    """Lines over the last 30 and 10 days, up to and from the brightest point, and in every band.

    The first six arguments are the light curve's lists, the last three the alert's own.
    """
    alerts = _alerts(mjds, bands, mags, mag_errs, are_positive, kinds, mjd, band, is_positive)
    lines = {name: line.to_arrow() for name, line in _all_lines(alerts).items()}
    slopes = to_struct(OUTPUT.field("slopes").type, {name: lines[name] for name in OPTICAL_BANDS})
    columns = {name: lines[name] for name in ("slope", "recent", "rise", "fade")}
    return alerts.frame(OUTPUT, columns | {"slopes": slopes})


def _alerts(*inputs: pd.Series) -> ModuleAlerts:
    lists = ("mjds", "bands", "mags", "mag_errs", "are_positive", "kinds")
    named = dict(zip((*lists, "mjd", "band", "is_positive"), inputs, strict=True))
    return ModuleAlerts.of(named, lists)


@dataclass(frozen=True)
class Lines:
    """One fitted line per group, shape (n_groups,) each; `valid` is false where there is none."""

    mag_per_day: Floats
    mag_per_day_err: Floats
    chi2_dof: Floats
    n_points: Ints
    span_days: Floats
    valid: Bools

    def take(self, groups: Ints) -> Lines:
        """Lines of these groups."""
        return Lines(**{name: values[groups] for name, values in vars(self).items()})

    def to_arrow(self) -> pa.StructArray:
        """Struct array of type `LINE`, null where there is no line."""
        columns = {field.name: getattr(self, field.name) for field in LINE}
        return to_struct(LINE, columns, self.valid)


@dataclass(frozen=True)
class LinePoints:
    """Detections that lines go through, grouped; within a group by time.

    Attributes
    ----------
    group
        Ascending group of each point, shape (n_points,).
    days, mag, sigma
        Days from the alert, magnitude and its error, shape (n_points,).
    n_groups
        Groups without a point included.
    """

    group: Ints
    days: Floats
    mag: Floats
    sigma: Floats
    n_groups: int

    def take(self, chosen: Bools) -> LinePoints:
        """Points where the mask is true."""
        return LinePoints(
            self.group[chosen],
            self.days[chosen],
            self.mag[chosen],
            self.sigma[chosen],
            self.n_groups,
        )


@np.errstate(all="ignore")  # groups without points divide by nothing, and have no line
def fit_lines(points: LinePoints) -> Lines:
    """Weighted straight line of each group; none for fewer than 2 points or a span ≤ 1 h.

    Sums run over a group's points alone and about their weighted means, which keeps all digits
    when a short span lies far from the alert.
    """
    group, n_groups = points.group, points.n_groups
    weight = 1.0 / points.sigma**2

    def total(values: Floats) -> Floats:
        sums = np.bincount(group, weights=values, minlength=n_groups)
        return np.asarray(sums, dtype=np.float64)  # without points bincount counts instead

    count = np.bincount(group, minlength=n_groups)
    norm = total(weight)
    days = points.days - (total(weight * points.days) / norm)[group]
    mag = points.mag - (total(weight * points.mag) / norm)[group]
    square = total(weight * days * days)
    slope = total(weight * days * mag) / square
    residual = mag - slope[group] * days
    span = _spans(points, count)
    return Lines(
        mag_per_day=slope,
        mag_per_day_err=1.0 / np.sqrt(square),
        chi2_dof=np.where(count > 2, total(weight * residual * residual) / (count - 2), np.nan),
        n_points=count,
        span_days=span,
        valid=(count >= 2) & (span > _MIN_SPAN_DAYS),
    )


def _all_lines(alerts: ModuleAlerts) -> Mapping[str, Lines]:
    """Lines by name: slope, recent, rise, fade, then one per band."""
    own_band = alerts.index_in("band", BANDS).astype(np.int64)
    by_band = _usable(alerts)
    in_window = by_band.take(by_band.days >= -WINDOW_DAYS)
    every_band = fit_lines(in_window)
    everyone = np.arange(alerts.n_rows)
    own_group = everyone * _GROUPS + own_band % _GROUPS
    own = _own_band(by_band, own_band)
    brightest_first, brightest_last = _brightest(own)
    return {
        "slope": every_band.take(own_group),
        "recent": fit_lines(own.take(own.days >= -RECENT_DAYS)),
        "rise": fit_lines(own.take(brightest_first)),
        "fade": fit_lines(own.take(brightest_last)),
        **{band: every_band.take(everyone * _GROUPS + k) for k, band in enumerate(BANDS)},
    }


def _usable(alerts: ModuleAlerts) -> LinePoints:
    """Detections of the alert's sign with a magnitude and an error; grouped by alert and band."""
    owner, band = alerts.owners("mjds"), alerts.index_in("bands", BANDS)
    sign, mag, sigma = (
        alerts.signs("are_positive"),
        alerts.floats("mags"),
        alerts.floats("mag_errs"),
    )
    usable = np.flatnonzero(
        (alerts.index_in("kinds", KINDS) == DETECTION)
        & (sign == alerts.signs("is_positive")[owner])
        & (sign != 0)
        & (band >= 0)
        & (sigma > 0)
        & ~np.isnan(mag)
    )
    group = owner[usable] * _GROUPS + band[usable]
    order = usable[np.argsort(group, kind="stable")]
    days = alerts.floats("mjds") - alerts.floats("mjd")[owner]
    return LinePoints(
        group=np.sort(group),
        days=days[order],
        mag=mag[order],
        sigma=sigma[order],
        n_groups=alerts.n_rows * _GROUPS,
    )


def _own_band(points: LinePoints, own_band: Ints) -> LinePoints:
    """Points in their alert's own band; group = alert."""
    owner, band = np.divmod(points.group, _GROUPS)
    own = band == own_band[owner]
    return LinePoints(
        owner[own], points.days[own], points.mag[own], points.sigma[own], len(own_band)
    )


def _brightest(points: LinePoints) -> tuple[Bools, Bools]:
    """Masks: up to and with, and from and with each group's brightest (of equals the first)."""
    if not len(points.group):
        nothing = np.zeros(0, dtype=bool)
        return nothing, nothing
    starts = np.flatnonzero(np.diff(points.group, prepend=-1))
    sizes = np.diff(np.append(starts, len(points.group)))
    minimum = np.repeat(np.minimum.reduceat(points.mag, starts), sizes)
    candidates = np.flatnonzero(points.mag == minimum)
    first = candidates[np.flatnonzero(np.diff(points.group[candidates], prepend=-1))]
    peak = np.repeat(first, sizes)
    position = np.arange(len(points.group))
    return position <= peak, position >= peak


def _spans(points: LinePoints, count: Ints) -> Floats:
    """Days from the first to the last point of each group, 0 without points."""
    span = np.zeros(points.n_groups)
    filled = count > 0
    last = np.cumsum(count)[filled] - 1
    first = last - count[filled] + 1
    span[filled] = points.days[last] - points.days[first]
    return span


def _describe(line: Lines) -> str:
    points = f"{line.n_points[0]} points over {line.span_days[0]:.3f} d"
    if not line.valid[0]:
        return f"no line: {points} (needs 2 points, more than 1 h)"
    return f"{line.mag_per_day[0]:+.4f} ± {line.mag_per_day_err[0]:.4f} mag/d from {points}"
