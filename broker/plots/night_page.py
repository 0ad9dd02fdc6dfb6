"""One night on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from broker.plots.bands import BANDS, look_of

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class NightArrays:
    """Alerts of a night; every array has shape (n_alerts,), NaN is missing.

    Attributes
    ----------
    mjd, ra_deg, dec_deg, mag
        Time (d), position (ICRS, degrees), magnitude of the difference (AB).
    band
        Band names, empty where unknown.
    real_bogus, classifier
        Scores, 0 to 1.
    by_filter
        Filter → alerts that it sent.
    """

    mjd: Floats
    ra_deg: Floats
    dec_deg: Floats
    mag: Floats
    band: Names
    real_bogus: Floats
    classifier: Floats
    by_filter: Sequence[tuple[str, int]] = ()


def night_page(title: str, night: NightArrays, time_label: str = "MJD") -> Figure:
    """Alerts over time, on the sky, by magnitude, by scores and by filter."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    figure.suptitle(f"{title}: {_alerts(len(night.mjd))}", fontweight="bold")
    grid = figure.add_gridspec(2, 3)
    _draw_times(figure.add_subplot(grid[0, 0]), night, time_label)
    _draw_sky(figure.add_subplot(grid[0, 1:], projection="mollweide"), night)
    _draw_magnitudes(figure.add_subplot(grid[1, 0]), night)
    _draw_scores(figure.add_subplot(grid[1, 1]), night)
    _draw_filters(figure.add_subplot(grid[1, 2]), night.by_filter)
    return figure


def _alerts(count: int) -> str:
    return "1 alert" if count == 1 else f"{count:,} alerts"


def _draw_times(axes: Axes, night: NightArrays, time_label: str) -> None:
    axes.hist(night.mjd[np.isfinite(night.mjd)], bins=60, color="0.4")
    axes.set(xlabel=time_label, ylabel="alerts")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.tick_params(axis="x", labelsize="small", rotation=20)


def _draw_sky(axes: Axes, night: NightArrays) -> None:
    """Right ascension grows to the left, as seen from the Earth; 0 h is in the middle."""
    longitude = -np.radians((night.ra_deg + 180) % 360 - 180)
    many = len(longitude) > 20_000
    axes.scatter(
        longitude,
        np.radians(night.dec_deg),
        # A few alerts are to be seen, and many not to hide each other.
        s=np.clip(4_000 / max(len(longitude), 1), 1, 30),
        color="#0072B2",
        alpha=0.2 if many else 0.5,
        linewidths=0,
        rasterized=True,
    )
    hours = np.arange(-150, 180, 60)
    axes.set_xticks(np.radians(hours), [f"{-degrees % 360}°" for degrees in hours])
    axes.tick_params(labelsize="small")
    axes.grid(color="0.85", linewidth=0.5)


def _draw_magnitudes(axes: Axes, night: NightArrays) -> None:
    known = np.isfinite(night.mag)
    if known.any():
        low, high = np.percentile(night.mag[known], [0.1, 99.9])
        bins = np.linspace(np.floor(low), np.ceil(high) + 1e-9, 40).tolist()
        for band in [b for b in BANDS if (night.band == b).any()]:
            chosen = known & (night.band == band)
            axes.hist(
                night.mag[chosen], bins=bins, histtype="step", color=look_of(band)[0], label=band
            )
        axes.legend(frameon=False, fontsize="small")
    axes.set(xlabel="magnitude of the difference (AB)", ylabel="alerts")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _draw_scores(axes: Axes, night: NightArrays) -> None:
    bins = np.linspace(0, 1, 41).tolist()
    for name, scores, colour in (
        ("real or bogus", night.real_bogus, "#0072B2"),
        ("classifier: SN Ia", night.classifier, "#D55E00"),
    ):
        known = scores[np.isfinite(scores)]
        label = f"{name} ({len(known):,} scored)"
        axes.hist(known, bins=bins, histtype="step", color=colour, label=label)
    axes.set(xlabel="score", ylabel="alerts", ylim=(0, None), yscale="symlog", xlim=(0, 1))
    axes.legend(frameon=False, fontsize="small")


def _draw_filters(axes: Axes, by_filter: Sequence[tuple[str, int]]) -> None:
    counted = [(name, n) for name, n in by_filter if n >= 0]
    if not counted:
        axes.text(0.5, 0.5, "no filter has run", ha="center", va="center")
        axes.set_axis_off()
        return
    names, counts = zip(*sorted(counted, key=lambda item: item[1]), strict=True)
    bars = axes.barh(names, counts, color="0.6")
    axes.bar_label(bars, [f" {n:,}" for n in counts], fontsize="x-small")
    axes.tick_params(axis="y", labelsize="x-small")
    axes.set(xlabel="alerts per filter", xscale="symlog")
