"""The light of each population behaves as its physics says."""

from __future__ import annotations

import numpy as np
import pytest

from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.draws import Draws, Floats, keys_of, stream_key
from broker.simulator.synthetic.populations import POPULATIONS, Population, Realised, Sources
from broker.simulator.synthetic.populations.cosmology import distance_modulus
from broker.simulator.synthetic.populations.nuclear import random_walk

TONIGHT = 60563.3
COUNT = 400
BY_NAME = {population.name: population for population in POPULATIONS}


def realise(name: str) -> Realised:
    draws = Draws(keys_of(stream_key(5), np.arange(COUNT)))
    nothing = np.zeros(COUNT)
    sources = Sources(
        draws,
        nothing,
        np.full(COUNT, 60.0),
        np.tile([TONIGHT, TONIGHT + 0.02], (COUNT, 1)),
        np.tile([58200.0, 58300.0], (COUNT, 1)),
    )
    return BY_NAME[name].realise(sources)


def flux(realised: Realised, mjd: Floats, fid: int) -> Floats:
    return realised.difference(mjd, np.full(mjd.shape, fid))


def magnitudes(values: Floats) -> Floats:
    return 31.4 - 2.5 * np.log10(np.maximum(values, 1e-9))


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda each: each.name)
def test_light_is_finite_and_has_no_memory_of_other_times(population: Population) -> None:
    realised = realise(population.name)
    mjd = np.tile(TONIGHT - np.arange(0.0, 60.0, 2.3), (COUNT, 1))
    everything = flux(realised, mjd, 1)
    assert np.isfinite(everything).all()
    some = flux(realised, np.ascontiguousarray(mjd[:, 3:5]), 1)
    assert some == pytest.approx(everything[:, 3:5], rel=1e-9, abs=1e-6)


def test_type_ia_supernovae_peak_at_minus_nineteen_and_redden() -> None:
    realised = realise("sn_ia")
    z, peak = realised.truth.redshift, realised.truth.peak_mjd
    assert z is not None
    assert peak is not None
    days = (1.0 + z)[:, None] * np.array([-25.0, 0.0, 15.0, 30.0])
    g, r = (magnitudes(flux(realised, peak[:, None] + days, fid)) for fid in (1, 2))
    absolute = r[:, 1] - distance_modulus(z)
    assert np.median(absolute) == pytest.approx(-19.0, abs=0.3)
    assert np.std(absolute) < 0.5
    assert np.median(g[:, 2] - g[:, 1]) == pytest.approx(1.1, abs=0.2)
    assert np.median((g - r)[:, 1]) == pytest.approx(0.0, abs=0.15)
    assert np.median((g - r)[:, 3]) == pytest.approx(1.1, abs=0.25)
    assert (flux(realised, peak[:, None] + days, 1)[:, 0] == 0.0).all()


def test_core_collapse_supernovae_are_fainter_and_last_longer() -> None:
    realised = realise("core_collapse")
    z, peak = realised.truth.redshift, realised.truth.peak_mjd
    assert z is not None
    assert peak is not None
    mjd = peak[:, None] + (1.0 + z)[:, None] * np.array([0.0, 60.0])
    r = magnitudes(flux(realised, mjd, 2))
    assert np.median(r[:, 0] - distance_modulus(z)) == pytest.approx(-17.2, abs=0.5)
    plateau = np.array(realised.truth.subclass) == "IIP"
    assert 0.4 < plateau.mean() < 0.6
    assert np.median((r[:, 1] - r[:, 0])[plateau]) < 0.7
    assert np.median((r[:, 1] - r[:, 0])[~plateau]) > 0.8


def test_tidal_disruptions_stay_blue_and_fall_as_a_power_law() -> None:
    realised = realise("tde")
    peak = realised.truth.peak_mjd
    assert peak is not None
    mjd = peak[:, None] + np.array([10.0, 100.0, 400.0])
    colour = magnitudes(flux(realised, mjd, 1)) - magnitudes(flux(realised, mjd, 2))
    assert np.median(colour) < -0.1
    assert np.ptp(colour, axis=1).max() < 1e-6
    r = magnitudes(flux(realised, mjd, 2))
    assert (np.diff(r, axis=1) > 0).all()


@pytest.mark.parametrize("name", ["rr_lyrae", "delta_scuti", "cepheid", "eclipsing_binary"])
def test_periodic_stars_come_back_after_a_period_and_take_either_sign(name: str) -> None:
    realised = realise(name)
    period = realised.truth.period_days
    assert period is not None
    mjd = TONIGHT - period[:, None] * np.linspace(0.0, 0.99, 40)
    now = flux(realised, mjd, 2)
    later = flux(realised, mjd + 7.0 * period[:, None], 2)
    depth = np.ptp(now, axis=1)[:, None]
    assert np.abs(now - later).max(axis=1) == pytest.approx(0.0, abs=1e-4 * depth.max())
    varies = (now.max(axis=1) > 0) & (now.min(axis=1) < 0)
    assert varies.mean() > 0.95
    assert (now + flux_njy(realised.counterpart.r)[:, None] > 0).all()


def test_a_random_walk_has_the_variance_and_the_memory_asked_for() -> None:
    draws = Draws(keys_of(stream_key(6), np.arange(3000)))
    sigma, tau = np.full(3000, 0.2), np.full(3000, 100.0)
    mjd = np.tile(TONIGHT + np.array([0.0, 10.0, 100.0, 3000.0]), (3000, 1))
    walk = random_walk(draws, sigma, tau)(mjd, np.ones(mjd.shape, dtype=np.int64))
    assert walk.std() == pytest.approx(0.2, rel=0.06)
    # Structure function of a damped random walk: SF² = 2σ²(1 − exp(−Δt/τ)).
    for column, lag in ((1, 10.0), (2, 100.0)):
        expected = np.sqrt(2 * 0.04 * (1 - np.exp(-lag / 100.0)))
        assert (walk[:, column] - walk[:, 0]).std() == pytest.approx(expected, rel=0.12)


def test_nuclei_redden_when_they_fade() -> None:
    realised = realise("agn")
    mjd = TONIGHT - np.tile(np.arange(0.0, 1500.0, 30.0), (COUNT, 1))
    change = []
    for fid, mean in ((1, realised.counterpart.g), (2, realised.counterpart.r)):
        total = flux(realised, mjd, fid) + flux_njy(mean)[:, None]
        change.append(np.ptp(magnitudes(total), axis=1))
    assert np.median(change[0] / change[1]) == pytest.approx(1.25, abs=0.05)


def test_flares_are_over_within_a_day_and_bluer_than_their_star() -> None:
    realised = realise("flare")
    mjd = TONIGHT + np.tile([0.0, 0.02, 1.0, -1.0], (COUNT, 1))
    g = flux(realised, mjd, 1)
    assert (g[:, 0] > 0).any()
    assert (g[:, 2:] < 1e-3 * np.maximum(g.max(axis=1, keepdims=True), 1e-9) + 1e-9).all()
    lit = g[:, 0] > 0
    r = flux(realised, mjd, 2)[lit, 0]
    assert (g[lit, 0] > r).all()


def test_outbursts_of_dwarf_novae_are_rare_and_bright() -> None:
    realised = realise("cataclysmic")
    mjd = np.tile(TONIGHT - np.arange(0.0, 800.0, 1.0), (COUNT, 1))
    g = flux(realised, mjd, 1)
    assert (g >= 0.0).all()
    in_outburst = (g > 0.2 * g.max(axis=1, keepdims=True)).mean(axis=1)
    assert 0.02 < np.median(in_outburst) < 0.35


def test_residuals_recur_with_either_sign_and_other_artefacts_do_not() -> None:
    realised = realise("bogus")
    mjd = np.tile(TONIGHT - np.arange(1.0, 400.0, 1.7), (COUNT, 1))
    past = flux(realised, mjd, 2)
    kind = np.array(realised.truth.subclass)
    assert (past[kind != "residual"] == 0.0).all()
    residuals = past[kind == "residual"]
    assert (residuals > 0).any()
    assert (residuals < 0).any()
