"""Cutout images beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

Image = npt.NDArray[np.float32]


def draw_cutouts(axes: Sequence[Axes], images: Mapping[str, Image | None]) -> None:
    """Draw each image on its axes, row 0 at the bottom, stretched from faint sky to the brightest.

    The middle of the image, where the alert is, is marked; a missing image is said to be missing.
    """
    for one, (name, image) in zip(axes, images.items(), strict=False):
        one.set_title(name, fontsize="medium")
        one.set_xticks([])
        one.set_yticks([])
        if image is None or not np.isfinite(image).any():
            one.text(0.5, 0.5, "no image", ha="center", va="center", transform=one.transAxes)
            one.set_aspect("equal")
            continue
        low, high = np.nanpercentile(image, [5, 99.7])
        one.imshow(image, origin="lower", cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
        _mark_middle(one, image.shape[0], image.shape[1])


def _mark_middle(axes: Axes, rows: int, columns: int) -> None:
    x, y = (columns - 1) / 2, (rows - 1) / 2
    near, far = 0.08 * columns, 0.18 * columns
    axes.plot([x + near, x + far], [y, y], color="#D55E00", linewidth=1.2)
    axes.plot([x, x], [y + near, y + far], color="#D55E00", linewidth=1.2)
