"""A light curve: detections, upper limits and forced photometry, band by band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from broker.plots.bands import BANDS, look_of

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]
Quantity = Literal["mag", "flux"]

_LABELS: dict[Quantity, str] = {
    "mag": "magnitude of the difference (AB)",
    "flux": "flux of the difference (nJy)",
}


@dataclass(frozen=True)
class LightCurve:
    """Points in any order; every attribute has shape (n_points,), NaN is missing.

    Attributes
    ----------
    mjd
        Days.
    band, kind
        ``g``, ``r``, … or empty; ``detection``, ``upper_limit`` or ``forced``.
    mag, mag_err, mag_limit
        AB magnitude of abs(flux), its error, and the 5σ limit of the exposure.
    flux_njy, flux_err_njy
        Signed difference flux.
    is_negative
        Fainter than the reference image.
    """

    mjd: Floats
    band: Names
    kind: Names
    mag: Floats
    mag_err: Floats
    mag_limit: Floats
    flux_njy: Floats
    flux_err_njy: Floats
    is_negative: Bools

    @classmethod
    def from_points(cls, points: Sequence[Mapping[str, Any]]) -> LightCurve:
        """Points as the science table's column ``lightcurve`` has them."""

        def floats(name: str) -> Floats:
            values = [point[name] for point in points]
            return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

        def names(name: str) -> Names:
            return np.array([point[name] or "" for point in points], dtype=np.str_)

        measured = ("mjd", "mag", "mag_err", "mag_limit", "flux_njy", "flux_err_njy")
        return cls(
            **{name: floats(name) for name in measured},
            band=names("band"),
            kind=names("kind"),
            is_negative=np.array([p["is_positive"] is False for p in points], dtype=np.bool_),
        )

    def take(self, chosen: Bools) -> LightCurve:
        """Points where a mask is true."""
        return LightCurve(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def __len__(self) -> int:
        return len(self.mjd)


def draw_light_curve(
    axes: Axes, curve: LightCurve, quantity: Quantity = "mag", time_label: str = "MJD"
) -> None:
    """Draw a light curve.

    Filled markers are detections brighter than the reference, open ones fainter; down triangles
    are 5σ upper limits; small faint points are forced photometry.

    Parameters
    ----------
    quantity
        ``mag``: bright is up; ``flux``: with the line of zero.
    time_label
        What the times are, such as ``MJD (UTC, start of exposure)``.
    """
    for band in sorted(set(curve.band), key=_order):
        _draw_band(axes, curve.take(curve.band == band), band, quantity)
    axes.set_xlabel(time_label)
    axes.set_ylabel(_LABELS[quantity])
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    if quantity == "mag":
        axes.invert_yaxis()
    else:
        axes.axhline(0, color="0.6", linewidth=0.8)
    if axes.get_legend_handles_labels()[0]:
        # Beside the axes, where it hides no point.
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize="small")


def _draw_band(axes: Axes, points: LightCurve, band: str, quantity: Quantity) -> None:
    colour, marker = look_of(band)
    values, errors = (
        (points.mag, points.mag_err)
        if quantity == "mag"
        else (points.flux_njy, points.flux_err_njy)
    )
    detected = (points.kind == "detection") & ~np.isnan(values)
    forced = (points.kind == "forced") & ~np.isnan(values)
    name = band or "no band"
    for chosen, filled, label in (
        (detected & ~points.is_negative, True, name),
        (detected & points.is_negative, False, f"{name}, fainter than the reference"),
    ):
        if chosen.any():
            axes.errorbar(
                *(points.mjd[chosen], values[chosen], np.nan_to_num(errors[chosen])),
                fmt=marker,
                color=colour,
                markerfacecolor=colour if filled else "white",
                markersize=5,
                elinewidth=0.8,
                label=label,
                zorder=3,
            )
    if forced.any():
        axes.errorbar(
            *(points.mjd[forced], values[forced], np.nan_to_num(errors[forced])),
            fmt=marker,
            color=colour,
            alpha=0.35,
            markersize=3,
            elinewidth=0.6,
            label=f"{name}, forced photometry",
            zorder=2,
        )
    _draw_limits(axes, points, band, quantity)


def _draw_limits(axes: Axes, points: LightCurve, band: str, quantity: Quantity) -> None:
    # An upper limit's flux_err_njy is a fifth of it.
    limits = points.mag_limit if quantity == "mag" else 5 * points.flux_err_njy
    chosen = (points.kind == "upper_limit") & ~np.isnan(limits)
    if chosen.any():
        axes.scatter(
            *(points.mjd[chosen], limits[chosen]),
            marker="v",
            s=16,
            facecolors="none",
            edgecolors=look_of(band)[0],
            linewidths=0.7,
            alpha=0.6,
            label=f"{band or 'no band'}, 5σ upper limit",
            zorder=1,
        )


def _order(band: str) -> int:
    return BANDS.index(band) if band in BANDS else len(BANDS)
