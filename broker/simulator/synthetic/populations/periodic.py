"""Stars that repeat: pulsators, eclipsing binaries, long-period variables.

Periods and amplitudes follow the catalogues of periodic ZTF and Gaia variables (Chen et al. 2020;
Clementini et al. 2019; Mowlavi et al. 2018); the shapes are hand-set knots of typical light curves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.populations.base import (
    Realised,
    Sources,
    Truth,
    against_reference,
    thick_disc,
    thin_disc,
)

# Dimming (0 = brightest, 1 = faintest) against phase, for two kinds of pulsation.
_STEEP = (
    (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.86, 0.9, 0.94, 0.97, 1.0),
    (0, 0.04, 0.14, 0.4, 0.6, 0.73, 0.82, 0.9, 0.97, 1.0, 0.95, 0.72, 0.34, 0.09, 0),
)
_GENTLE = (
    (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.76, 0.84, 0.92, 1.0),
    (0, 0.1, 0.27, 0.46, 0.66, 0.84, 0.97, 1.0, 0.83, 0.48, 0.13, 0),
)


def _cosine(cycles: Floats) -> Floats:
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * cycles)


def _knots(knots: tuple[tuple[float, ...], tuple[float, ...]]) -> Callable[[Floats], Floats]:
    return lambda cycles: np.interp(np.mod(cycles, 1.0), *knots)


def _cycles(draws: Draws, period: Floats, mjd: Floats) -> Floats:
    return np.asarray((mjd - 58000.0) / period[:, None] + draws.uniform("phase")[:, None])


def _periodic(
    sources: Sources,
    r: Floats,
    colour: Floats,
    period: Floats,
    amplitude_r: Floats,
    blue_factor: float,
    shape: Callable[[Floats], Floats],
    subclass: tuple[str, ...],
) -> Realised:
    """A star whose brightness depends on the cycles since an epoch; ``r`` at its brightest."""

    def total(mjd: Floats, fid: Ints) -> Floats:
        brightest = np.where(fid == 1, (r + colour)[:, None], r[:, None])
        depth = amplitude_r[:, None] * np.where(fid == 1, blue_factor, 1.0)
        return flux_njy(brightest + depth * shape(_cycles(sources.draws, period, mjd)))

    difference, counterpart = against_reference(total, sources)
    truth = Truth(subclass, period_days=period, amplitude_mag=amplitude_r)
    return Realised(difference, counterpart, truth)


class RrLyrae:
    """RR Lyrae stars, three quarters of them in the fundamental mode."""

    name = "rr_lyrae"
    share = 0.11
    ends = False
    moves = False
    real = True
    density = staticmethod(thick_disc)

    def realise(self, sources: Sources) -> Realised:
        """Draw mode, period, amplitude."""
        draws = sources.draws
        fundamental = draws.uniform("mode") < 0.75
        period = np.where(
            fundamental,
            draws.gaussian("period_ab", 0.57, 0.07, 0.42, 0.85),
            draws.gaussian("period_c", 0.32, 0.03, 0.22, 0.42),
        )
        # Bailey's relation: shorter fundamental periods have larger amplitudes.
        wide = np.clip(0.75 - 2.2 * (period - 0.57) + 0.13 * draws.normal("amplitude"), 0.2, 1.1)
        amplitude = np.where(fundamental, wide, np.clip(0.6 * wide * 0.55, 0.12, 0.45))
        steep = _knots(_STEEP)

        def shape(cycles: Floats) -> Floats:
            return np.where(fundamental[:, None], steep(cycles), _cosine(cycles))

        r = draws.power_of_ten("mag", 13.8, 20.8, 0.20)
        colour = draws.gaussian("colour", 0.20, 0.06) + 0.2 * sources.extinction_r
        names = tuple("RRab" if each else "RRc" for each in fundamental)
        return _periodic(sources, r, colour, period, amplitude, 1.35, shape, names)


class DeltaScuti:
    """High-amplitude δ Scuti stars."""

    name = "delta_scuti"
    share = 0.03
    ends = False
    moves = False
    real = True
    density = staticmethod(thin_disc)

    def realise(self, sources: Sources) -> Realised:
        """Draw period and amplitude."""
        draws = sources.draws
        period = 0.045 + 0.14 * draws.uniform("period") ** 1.5
        amplitude = 0.04 + draws.exponential("amplitude", 0.10)
        r = draws.power_of_ten("mag", 13.5, 19.2, 0.25)
        colour = draws.gaussian("colour", 0.25, 0.1) + 0.3 * sources.extinction_r
        names = ("DSCT",) * len(r)
        return _periodic(
            sources, r, colour, period, np.minimum(amplitude, 0.7), 1.35, _knots(_GENTLE), names
        )


class Cepheid:
    """Classical and type II Cepheids."""

    name = "cepheid"
    share = 0.015
    ends = False
    moves = False
    real = True
    density = staticmethod(thin_disc)

    def realise(self, sources: Sources) -> Realised:
        """Draw period and amplitude."""
        draws = sources.draws
        old = draws.uniform("type") < 0.4
        period = 10.0 ** np.where(
            old,
            draws.between("long", 0.05, 1.45),
            draws.gaussian("classical", 0.75, 0.25, 0.2, 1.7),
        )
        amplitude = draws.gaussian("amplitude", 0.55, 0.15, 0.15, 1.0)
        r = draws.power_of_ten("mag", 13.0, 17.5, 0.15)
        colour = draws.gaussian("colour", 0.75, 0.15) + 0.4 * sources.extinction_r
        names = tuple("CEP2" if each else "DCEP" for each in old)
        return _periodic(sources, r, colour, period, amplitude, 1.45, _knots(_STEEP), names)


class EclipsingBinary:
    """Contact (EW), semi-detached (EB) and detached (EA) binaries."""

    name = "eclipsing_binary"
    share = 0.12
    ends = False
    moves = False
    real = True
    density = staticmethod(thin_disc)

    def realise(self, sources: Sources) -> Realised:
        """Draw type, period, depth of both eclipses and their width."""
        draws = sources.draws
        kind = draws.choice("kind", (0.62, 0.15, 0.23))
        period = np.choose(
            kind,
            [
                draws.gaussian("ew", 0.35, 0.06, 0.22, 0.8),
                10.0 ** draws.gaussian("eb", -0.15, 0.2, -0.5, 0.8),
                10.0 ** draws.gaussian("ea", 0.25, 0.35, -0.4, 1.6),
            ],
        )
        depth = np.minimum(0.05 + draws.exponential("depth", 0.15), 1.2)
        second = np.choose(
            kind,
            [draws.between("e2", 0.75, 1.0), draws.between("b2", 0.3, 0.8), draws.uniform("a2")],
        )
        width = draws.between("width", 0.015, 0.045)

        def shape(cycles: Floats) -> Floats:
            phase = np.mod(cycles, 1.0)
            # Ellipsoidal stars vary all the time, detached ones in their eclipses only.
            fades = np.where(phase < 0.25, 1.0, np.where(phase < 0.75, second[:, None], 1.0))
            close = fades * (0.5 + 0.5 * np.cos(4.0 * np.pi * phase)) ** 1.3
            return np.where(kind[:, None] == 2, _eclipses(phase, second, width), close)

        r = draws.power_of_ten("mag", 13.5, 19.8, 0.25)
        colour = draws.gaussian("colour", 0.6, 0.25, 0.0, 1.5) + 0.3 * sources.extinction_r
        names = tuple(("EW", "EB", "EA")[each] for each in kind)
        return _periodic(sources, r, colour, period, depth, 1.05, shape, names)


def _eclipses(phase: Floats, second: Floats, width: Floats) -> Floats:
    from_first = np.minimum(phase, 1.0 - phase) / width[:, None]
    from_second = (phase - 0.5) / width[:, None]
    flat = np.exp(-0.5 * from_first**4) + second[:, None] * np.exp(-0.5 * from_second**4)
    return np.asarray(flat)


class LongPeriod:
    """Miras and semi-regular red giants."""

    name = "long_period"
    share = 0.13
    ends = False
    moves = False
    real = True
    density = staticmethod(thin_disc)

    def realise(self, sources: Sources) -> Realised:
        """Draw type, period, amplitude and a second period."""
        draws = sources.draws
        mira = draws.uniform("type") < 0.25
        period = np.where(
            mira, draws.gaussian("mira", 290.0, 80.0, 110, 550), draws.between("sr", 35.0, 220.0)
        )
        amplitude = np.where(
            mira, draws.between("mira_depth", 1.4, 3.6), 0.04 + draws.exponential("sr_depth", 0.09)
        )
        other = draws.between("ratio", 0.35, 0.75) * period
        strength = np.where(mira, 0.08, draws.between("strength", 0.2, 0.8))
        offset = draws.uniform("other_phase")

        def shape(cycles: Floats) -> Floats:
            others = cycles * (period / other)[:, None] + offset[:, None]
            return _cosine(cycles) + strength[:, None] * (_cosine(others) - 0.5)

        r = draws.power_of_ten("mag", 12.8, 18.5, 0.3)
        colour = draws.gaussian("colour", 1.7, 0.3, 1.0, 3.0) + 0.4 * sources.extinction_r
        names = tuple("Mira" if each else "SR" for each in mira)
        limited = np.minimum(amplitude, 4.0)
        return _periodic(sources, r, colour, period, limited, 1.4, shape, names)
