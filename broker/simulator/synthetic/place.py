"""Where on tonight's fields each source lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from broker.simulator.synthetic import sky
from broker.simulator.synthetic.cadence import Cadence
from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.populations import Population

# Stamps are 63 pixels wide and sources keep that far from the edge.
_MARGIN = 66.0


@dataclass(frozen=True)
class Places:
    """Positions of K sources; ``field`` is an index into the night's fields, angles in degrees."""

    field: Ints
    rcid: Ints
    xpos: Floats
    ypos: Floats
    ra: Floats
    dec: Floats

    @property
    def gal_lat(self) -> Floats:
        """Galactic latitude."""
        return sky.galactic(self.ra, self.dec)[1]


class Footprint:
    """The readout channels of the night's fields, and how populations spread over them."""

    def __init__(self, cadence: Cadence) -> None:
        self._fields = cadence.fields
        count = len(cadence.fields.number)
        field = np.repeat(np.arange(count), sky.QUADRANTS)
        rcid = np.tile(np.arange(sky.QUADRANTS), count)
        middle = np.full(field.shape, sky.QUADRANT_PIXELS[0] / 2)
        centre = self._at(field, rcid, middle, middle)
        lon, lat = sky.galactic(centre.ra, centre.dec)
        self._coordinates = lon, lat, sky.ecliptic_latitude(centre.ra, centre.dec)

    def spread(self, population: Population) -> Floats:
        """Cumulative distribution of a population over the channels."""
        cumulative = np.cumsum(population.density(*self._coordinates))
        return np.asarray(cumulative / cumulative[-1])

    def place(self, draws: Draws, spread: Floats) -> Places:
        """Put sources on channels by density, evenly within a channel."""
        cell = np.searchsorted(spread[:-1], draws.uniform("cell"), side="right")
        xpos = draws.between("xpos", _MARGIN, sky.QUADRANT_PIXELS[0] - _MARGIN)
        ypos = draws.between("ypos", _MARGIN, sky.QUADRANT_PIXELS[1] - _MARGIN)
        return self._at(cell // sky.QUADRANTS, cell % sky.QUADRANTS, xpos, ypos)

    def move(self, places: Places, east_arcsec: Floats, north_arcsec: Floats) -> Places:
        """Sources that moved by less than the margin."""
        xpos = places.xpos - east_arcsec / sky.PIXEL_ARCSEC
        ypos = places.ypos + north_arcsec / sky.PIXEL_ARCSEC
        ra, dec = sky.shift(places.ra, places.dec, east_arcsec, north_arcsec)
        return replace(places, xpos=xpos, ypos=ypos, ra=ra, dec=dec)

    def _at(self, field: Ints, rcid: Ints, xpos: Floats, ypos: Floats) -> Places:
        east, north = sky.quadrant_offset(rcid, xpos, ypos)
        ra, dec = sky.deproject(self._fields.ra[field], self._fields.dec[field], east, north)
        return Places(field, rcid, xpos, ypos, ra, dec)
