"""Pictures: pure functions of arrays, for notebooks and the command line."""

from broker.plots.draw_cutouts import draw_cutouts
from broker.plots.light_curve import LightCurve, draw_light_curve
from broker.plots.night_page import NightArrays, night_page
from broker.plots.object_page import object_page

__all__ = [
    "LightCurve",
    "NightArrays",
    "draw_cutouts",
    "draw_light_curve",
    "night_page",
    "object_page",
]
