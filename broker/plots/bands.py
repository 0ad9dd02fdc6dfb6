"""One colour and one marker per band, the same in every picture."""

from __future__ import annotations

BANDS = ("u", "g", "r", "i", "z", "y", "J", "H", "K")
# Okabe & Ito (2008): told apart by everybody; the marker says it again without colour.
COLOURS = {
    "u": "#56B4E9",
    "g": "#009E73",
    "r": "#D55E00",
    "i": "#E69F00",
    "z": "#CC79A7",
    "y": "#000000",
    "J": "#0072B2",
    "H": "#F0E442",
    "K": "#7F4A21",
}
MARKERS = {
    **{"u": "v", "g": "o", "r": "s", "i": "D", "z": "P", "y": "X"},
    **{"J": "^", "H": "h", "K": "*"},
}
_OTHER = ("#888888", ".")


def look_of(band: str) -> tuple[str, str]:
    """Colour and marker of a band; grey points for what has no known band."""
    return (COLOURS[band], MARKERS[band]) if band in COLOURS else _OTHER
