"""One object on one page: light curve, images, facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from broker.plots.draw_cutouts import Image, draw_cutouts
from broker.plots.light_curve import LightCurve, Quantity, draw_light_curve


def object_page(
    title: str,
    curve: LightCurve,
    images: Mapping[str, Image | None],
    facts: Sequence[str] = (),
    quantity: Quantity = "mag",
    time_label: str = "MJD",
) -> Figure:
    """Light curve above, images in a row and facts below.

    Parameters
    ----------
    images
        Name → image; see `draw_cutouts`.
    facts
        Lines of text.
    quantity, time_label
        As for `draw_light_curve`.
    """
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    rows: Any = figure.subfigures(2, 1, height_ratios=[2, 1])
    axes = rows[0].subplots()
    draw_light_curve(axes, curve, quantity, time_label)
    axes.set_title(title, loc="left", fontweight="bold")
    left, right = rows[1].subfigures(1, 2, width_ratios=[1.3, 1])
    if images:
        draw_cutouts(list(left.subplots(1, len(images), squeeze=False)[0]), images)
    right.text(0.02, 0.92, "\n".join(facts), va="top", ha="left", fontsize="small")
    return figure
