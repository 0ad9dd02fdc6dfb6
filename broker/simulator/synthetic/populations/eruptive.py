"""Stars that erupt: dwarf novae and flares of red dwarfs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Bools, Draws, Floats, Ints
from broker.simulator.synthetic.populations.base import (
    Realised,
    Sources,
    Truth,
    nothing,
    star,
    thick_disc,
)


@dataclass(frozen=True)
class _Outbursts:
    """Repeated outbursts of K stars: heights in mag, times in days, fades in mag/day."""

    first_mjd: Floats
    recurrence: Floats
    height: Floats
    plateau: Floats
    fade: Floats
    jitter: Floats

    def brightening(self, draws: Draws, mjd: Floats) -> Floats:
        """Magnitudes above quiescence; shape (K, E)."""
        cycles = (mjd - self.first_mjd[:, None]) / self.recurrence[:, None]
        number = np.floor(cycles)
        late = self.jitter[:, None] * draws.uniform("late", number.astype(np.int64))
        days = (cycles - number - late) * self.recurrence[:, None]
        weaker = 1.0 - 0.25 * draws.uniform("outburst", number.astype(np.int64))
        risen = self.height[:, None] * weaker * np.clip(days / 0.8, 0.0, 1.0)
        over = np.maximum(days - self.plateau[:, None], 0.0)
        faded = 0.03 * np.maximum(days, 0.0) + self.fade[:, None] * over
        return np.maximum(risen - faded, 0.0) * (days > 0.0)


class Cataclysmic:
    """Dwarf novae: blue outbursts, a few magnitudes high, every few weeks to months.

    Rise within a day, a plateau and a fade of 0.1 to 0.6 mag/day; amplitudes and recurrence after
    Coppejans et al. (2016) and Otulakowska-Hypka et al. (2016). Three in ten are of the WZ Sge
    type, in their first outburst for years: new where the survey had seen nothing.
    """

    name = "cataclysmic"
    share = 0.008
    ends = False
    moves = False
    real = True
    density = staticmethod(thick_disc)

    def realise(self, sources: Sources) -> Realised:
        """Draw quiescence, colour and outbursts."""
        draws = sources.draws
        rare = draws.uniform("rare") < 0.3
        quiet_r = np.where(
            rare,
            draws.gaussian("faint", 21.8, 0.8, 19.5, 23.5),
            draws.power_of_ten("mag", 17.5, 22.8, 0.25),
        )
        outbursts = _draw_outbursts(sources, rare, quiet_r)
        colour = draws.gaussian("colour", 0.0, 0.12) + 0.2 * sources.extinction_r
        quiet_colour = colour + 0.35

        def difference(mjd: Floats, fid: Ints) -> Floats:
            brighter = outbursts.brightening(draws, mjd)
            quiet = quiet_r[:, None] + np.where(fid == 1, quiet_colour[:, None], 0.0)
            hot = np.where(fid == 1, (colour - quiet_colour)[:, None], 0.0) * (brighter > 0.3)
            return flux_njy(quiet - brighter + hot) - flux_njy(quiet)

        g = np.where(quiet_r > 22.6, np.nan, quiet_r + quiet_colour)
        truth = Truth(
            tuple("UGWZ" if each else "UG" for each in rare),
            peak_mjd=np.where(rare, outbursts.first_mjd, np.nan),
            period_days=outbursts.recurrence,
            amplitude_mag=outbursts.height,
        )
        return Realised(difference, star(g, g - quiet_colour, draws), truth)


def _draw_outbursts(sources: Sources, rare: Bools, quiet_r: Floats) -> _Outbursts:
    draws = sources.draws
    often = 10.0 ** draws.between("recurrence", 1.2, 2.6)
    recurrence = np.where(rare, 10.0 ** draws.between("years", 3.4, 4.3), often)
    recent = sources.mjd[:, 1] - draws.between("recent", 0.0, 45.0)
    height = draws.gaussian("height", 3.2, 1.0, 1.5, 7.0) + np.where(rare, 3.0, 0.0)
    plateau = np.minimum(10.0 ** draws.between("plateau", 0.3, 1.1), 0.3 * recurrence)
    return _Outbursts(
        np.where(rare, recent, 58000.0 - draws.uniform("phase") * often),
        recurrence,
        np.minimum(height, quiet_r - 13.0),
        np.where(rare, draws.between("long", 12.0, 28.0), plateau),
        draws.between("fade", 0.15, 0.6),
        np.where(rare, 0.0, 0.4),
    )


class Flare:
    """Flares of M dwarfs, minutes to an hour long, near tonight's first visit.

    Shape of Davenport et al. (2014); a 10,000 K spectrum, so bluer than anything else.
    """

    name = "flare"
    share = 0.004
    ends = True
    moves = False
    real = True

    def density(self, gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
        """Near the Sun, so nearly everywhere alike."""
        del gal_lon, ecl_lat
        return np.asarray(0.6 + np.exp(-np.abs(gal_lat) / 25.0))

    def realise(self, sources: Sources) -> Realised:
        """Draw the dwarf, the flare's height, width and minute."""
        draws = sources.draws
        r = draws.power_of_ten("mag", 15.0, 21.0, 0.3)
        colour = draws.gaussian("colour", 1.45, 0.08)
        height = 10.0 ** draws.between("height", -0.7, 1.3)
        width = 10.0 ** draws.between("width", -3.2, -2.0)
        start = draws.between("visit", 0.0, 0.999)
        visit = np.where(start < 0.5, sources.mjd[:, 0], sources.mjd[:, 1])
        peak_mjd = visit + width * draws.between("moment", -4.0, 1.0)

        def difference(mjd: Floats, fid: Ints) -> Floats:
            time = (mjd - peak_mjd[:, None]) / width[:, None]
            after = np.maximum(time, 0.0)
            decay = 0.6890 * np.exp(-1.600 * after) + 0.3030 * np.exp(-0.2783 * after)
            profile = np.where(time < -1.0, 0.0, np.where(time < 0.0, 1.0 + time, decay))
            quiet_g = flux_njy((r + colour)[:, None])
            profile = np.where(time > 60.0, 0.0, profile)
            return np.asarray(quiet_g * height[:, None] * profile * np.where(fid == 1, 1.0, 0.75))

        seen = r < 23.0
        counterpart = star(np.where(seen, r + colour, np.nan), np.where(seen, r, np.nan), draws)
        truth = Truth(("M dwarf",) * len(r), peak_mjd=peak_mjd, amplitude_mag=_in_mag(height))
        return Realised(difference, counterpart, truth)


def _in_mag(height: Floats) -> Floats:
    return np.asarray(2.5 * np.log10(1.0 + height))


class Orphan:
    """Fast transients without a catalogued source: afterglows of gamma-ray bursts.

    Power laws t^-1.2 from an explosion within the last day (Ho et al. 2022).
    """

    name = "afterglow"
    share = 0.0002
    ends = True
    moves = False
    real = True

    def density(self, gal_lon: Floats, gal_lat: Floats, ecl_lat: Floats) -> Floats:
        """Isotropic."""
        del gal_lon, ecl_lat
        return np.ones_like(gal_lat)

    def realise(self, sources: Sources) -> Realised:
        """Draw the magnitude an hour after the burst, and the burst's time."""
        draws = sources.draws
        first_hour = draws.power_of_ten("mag", 15.5, 20.5, 0.4)
        burst = sources.mjd[:, 0] - 0.02 - 1.2 * draws.uniform("age")
        slope = draws.gaussian("slope", 1.2, 0.2, 0.8, 1.8)

        def difference(mjd: Floats, fid: Ints) -> Floats:
            hours = (mjd - burst[:, None]) * 24.0
            mag = (
                first_hour[:, None]
                + np.where(fid == 1, 0.35, 0.0)
                + (2.5 * slope[:, None] * np.log10(np.maximum(hours, 0.05)))
            )
            return np.where(hours > 0.0, flux_njy(mag), 0.0)

        truth = Truth(("GRB",) * len(burst), peak_mjd=burst)
        return Realised(difference, nothing(draws), truth)
